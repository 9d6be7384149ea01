//! Certificates of servers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::provider::ErrorClass;

/// The root and the certificate of `localhost`. The private key protects nothing else.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/tests/certificates/ca.pem");
const CERTIFICATE: &str = include_str!("certificates/server.pem");
const PRIVATE_KEY: &str = include_str!("certificates/server.key");

/// Starts a server that answers one request, and returns its URL.
fn server() -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(PRIVATE_KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
        let mut head = Vec::new();
        // A client that does not trust the certificate ends here.
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut piece = [0; 1024];
            match stream.read(&mut piece) {
                Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
                _ => return,
            }
        }
        let body = "data: {\"choices\":[{\"delta\":{\"content\":\"safe\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream.flush().unwrap();
        let _ = stream.read(&mut [0; 16]);
    });
    url
}

fn with_roots(url: &str, files: &[&Path]) -> ModelSettings {
    let network =
        Network { ca_files: files.iter().map(|path| path.to_path_buf()).collect(), ..Network::default() };
    ModelSettings { network, ..settings(url, Protocol::ChatCompletions) }
}

#[tokio::test]
async fn a_root_of_the_user_is_trusted() {
    let answer = call(&with_roots(&server(), &[Path::new(ROOT)]), &question()).await.0.unwrap();
    assert_eq!(answer.blocks, [crate::message::Block::Text { text: "safe".to_owned() }]);
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_with_a_hint() {
    let error = call(&with_roots(&server(), &[]), &question()).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Configuration, "{error:?}");
    assert!(error.hint.unwrap().contains("model.ca_file"));
}

#[tokio::test]
async fn unusable_files_of_roots_are_errors() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("roots.pem");
    let missing = call(&with_roots("https://localhost:1/v1", &[&path]), &question()).await.0.unwrap_err();
    assert!(missing.message.contains("does not exist"), "{missing:?}");
    std::fs::write(&path, "no certificate").unwrap();
    let empty = call(&with_roots("https://localhost:1/v1", &[&path]), &question()).await.0.unwrap_err();
    assert!(empty.message.contains("no usable certificate"), "{empty:?}");
    assert_eq!((missing.class, empty.class), (ErrorClass::Configuration, ErrorClass::Configuration));
}
