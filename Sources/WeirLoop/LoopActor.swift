import CLibuv
import CWeir
