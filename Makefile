# Weir. `make run` starts it, `make test` proves it; the rest is below.

SHELL := /bin/bash

include packaging/core.mk

.PHONY: help
.DEFAULT_GOAL := help
help:
	@echo "make run | test | core | bench | lint | fuzz | prove | install"
