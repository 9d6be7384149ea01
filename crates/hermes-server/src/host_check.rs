//! The check of the host that a request names. A page whose name was bound to this address (DNS rebinding) sends a foreign one.

use hyper::{Request, header};

use crate::authority::is_allowed;

/// An error of the Host check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The request names no host. Every browser names one.
    #[error("the request names no host")]
    Missing,
    /// The server does not answer to this host.
    #[error("the host {0:?} is not allowed")]
    NotAllowed(String),
}

/// Checks every value of `Host` and the authority of a target in absolute form. `allowed` has the form that
/// [`is_allowed`] expects.
///
/// # Errors
/// The request names a host that is not allowed, or no host.
pub fn check_host<B>(request: &Request<B>, allowed: &[String]) -> Result<(), HostError> {
    let headers = request.headers().get_all(header::HOST).iter().map(|value| value.as_bytes());
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = headers.chain(target).map(String::from_utf8_lossy).peekable();
    if hosts.peek().is_none() {
        return Err(HostError::Missing);
    }
    match hosts.find(|host| !is_allowed(host, allowed)) {
        Some(host) => Err(HostError::NotAllowed(host.into_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, hosts: &[&str]) -> Result<(), HostError> {
        let request = hosts
            .iter()
            .fold(Request::builder().uri(uri), |request, host| request.header(header::HOST, *host));
        check_host(&request.body(()).unwrap(), &["nas.example".to_owned()])
    }

    #[test]
    fn every_host_of_a_request_must_be_allowed() {
        let foreign = Err(HostError::NotAllowed("evil.example".to_owned()));
        assert_eq!(check("/", &["localhost:1"]), Ok(()));
        assert_eq!(check("/", &["evil.example"]), foreign);
        assert_eq!(check("/", &["localhost", "evil.example"]), foreign);
        assert_eq!(check("http://nas.example/", &[]), Ok(()));
        assert_eq!(check("http://evil.example/", &["localhost"]), foreign);
        assert_eq!(check("http://localhost/", &["evil.example"]), foreign);
    }

    #[test]
    fn a_missing_and_an_empty_host_differ() {
        assert_eq!(check("/", &[]), Err(HostError::Missing));
        assert_eq!(check("/", &[""]), Err(HostError::NotAllowed(String::new())));
    }
}
