/// nginx with one place to serve.
enum Nginx {
    /// `port` speaks TLS, HTTP/2 if it is asked for; `plain` does not.
    static func start(
        root: String, _ authority: Authority
    ) throws -> (process: Process, port: UInt16, plain: UInt16) {
        let port = LocalPort.free()
        let plain = LocalPort.free()
        let configuration = """
            daemon off; master_process off; pid \(root)/pid; error_log stderr;
            events {}
            http {
              access_log off;
              client_body_temp_path \(root)/body; proxy_temp_path \(root)/proxy; fastcgi_temp_path \(root)/fastcgi;
              uwsgi_temp_path \(root)/uwsgi; scgi_temp_path \(root)/scgi;
              server {
                listen 127.0.0.1:\(port) ssl http2;
                listen 127.0.0.1:\(plain);
                ssl_certificate \(authority.serverCertificate); ssl_certificate_key \(authority.serverKey);
                root \(root);
              }
            }
            """
        try Disk.write(root + "/nginx.conf", Array(configuration.utf8))
        let process = try Process([Peer.place("nginx"), "-e", "stderr", "-p", root, "-c", root + "/nginx.conf"])
        try eventually("nginx listens") { () -> Bool? in
            if process.state.isOver { throw Failure("nginx: \(process.state.lines)") }
            return LocalPort.connects(port) ? true : nil
        }
        return (process, port, plain)
    }
}
