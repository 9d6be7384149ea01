//! TLS and proxies of the HTTP client.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use hermes_os::whole_file;
use reqwest::{ClientBuilder, NoProxy, Proxy};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::{ErrorClass, ProviderError};
use crate::settings::{Network, Secret};

/// The longest file of certificates, in bytes.
const CA_FILE_MAX: u64 = 8 * 1024 * 1024;

/// Hosts that no proxy reaches: the loopback of this container.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// Returns the configuration of TLS: ring, the roots of Mozilla, and the roots of the user's files.
pub(crate) fn client_config(network: &Network) -> Result<ClientConfig, ProviderError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for path in &network.ca_files {
        add_roots(&mut roots, path)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ProviderError {
            class: ErrorClass::Internal,
            message: format!("failed to set up TLS: {error}"),
            status: None,
            retry_after: None,
            hint: None,
        })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), ProviderError> {
    let fail = |cause: String| {
        let hint = "set model.ca_file or SSL_CERT_FILE to a file of certificates in PEM, or remove it";
        configuration(format!("failed to read the certificates in {}: {cause}", path.display()), hint)
    };
    let bytes = whole_file::read(path, CA_FILE_MAX)
        .map_err(|error| fail(error.source().map_or_else(|| error.to_string(), ToString::to_string)))?
        .ok_or_else(|| fail("the file does not exist".to_owned()))?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        // A bundle may hold certificates that rustls cannot use as roots. The others count.
        let _ = roots.add(certificate);
    }
    if roots.len() == before { Err(fail("it holds no usable certificate".to_owned())) } else { Ok(()) }
}

/// Adds the proxies of the settings.
pub(crate) fn with_proxies(
    builder: ClientBuilder,
    network: &Network,
) -> Result<ClientBuilder, ProviderError> {
    type Make = fn(&str) -> reqwest::Result<Proxy>;
    let exceptions = match &network.no_proxy {
        Some(list) => format!("{list},{NEVER_PROXIED}"),
        None => NEVER_PROXIED.to_owned(),
    };
    let mut builder = builder.no_proxy();
    let proxies: [(&str, &Option<Secret>, Make); 3] = [
        ("HTTPS_PROXY", &network.https_proxy, |url| Proxy::https(url)),
        ("HTTP_PROXY", &network.http_proxy, |url| Proxy::http(url)),
        ("ALL_PROXY", &network.all_proxy, |url| Proxy::all(url)),
    ];
    for (variable, url, make) in proxies {
        let Some(url) = url else { continue };
        let url = url.reveal();
        let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
        let is_known = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(&scheme);
        let proxy = make(url).ok().filter(|_| is_known).ok_or_else(|| {
            let hint = format!("set {variable} to a URL such as http://HOST:PORT");
            configuration(format!("failed to use the proxy: {variable} is no URL of a proxy"), &hint)
        })?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&exceptions)));
    }
    Ok(builder)
}

fn configuration(message: String, hint: &str) -> ProviderError {
    ProviderError {
        class: ErrorClass::Configuration,
        message,
        status: None,
        retry_after: None,
        hint: Some(hint.to_owned()),
    }
}
