//! One page: each address is checked, each redirect is checked, time and size have limits.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
};
use reqwest::{Client, Response, Url, redirect};
use rustls::ClientConfig;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::decode::{self, Kind};
use super::markdown;
use crate::egress::{Egress, Host};
use crate::provider::tls;
use crate::settings::Network;

/// The time for a page, with its redirects.
const TIME: Duration = Duration::from_secs(30);

/// The longest body that is read, in bytes.
const BODY_MAX: usize = 5 * 1024 * 1024;

/// The longest URL, in bytes.
const URL_MAX: usize = 4096;

/// The most redirects of a page.
const REDIRECTS_MAX: usize = 5;

/// A page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// The URL after redirects.
    pub(super) url: String,
    pub(super) title: Option<String>,
    pub(super) text: String,
    /// Sentences about the page for the model.
    pub(super) notes: Vec<String>,
}

/// The source of pages.
#[derive(Debug)]
pub(super) struct Fetcher {
    egress: Arc<Egress>,
    network: Network,
    tls: OnceLock<ClientConfig>,
    time: Duration,
}

impl Fetcher {
    pub(super) fn new(egress: Arc<Egress>, network: Network) -> Self {
        Self { egress, network, tls: OnceLock::new(), time: TIME }
    }

    /// Sets another time for a page.
    #[cfg(test)]
    pub(super) fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Fetches a page. The error is a sentence for the model.
    pub(super) async fn fetch(&self, text: &str) -> Result<Page, String> {
        match timeout(self.time, self.follow(text)).await {
            Ok(page) => page,
            Err(_) => {
                Err(format!("failed to read the page: it took longer than {} s", self.time.as_secs_f64()))
            }
        }
    }

    async fn follow(&self, text: &str) -> Result<Page, String> {
        let mut url = Url::parse(text.trim()).map_err(|error| {
            format!("failed to read the URL: {error}; write it whole, as https://example.org/page")
        })?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.get(&url).await?;
            if !response.status().is_redirection() {
                return page(url, response).await;
            }
            url = redirect_target(&url, response.headers())?;
        }
        Err(format!("failed to read the page: it redirects more than {REDIRECTS_MAX} times"))
    }

    /// Sends one request. The connection goes to the checked addresses, without another look-up.
    async fn get(&self, url: &Url) -> Result<Response, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("web_extract reads http and https, not {}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("web_extract sends no user and no password: remove them from the URL".to_owned());
        }
        if url.as_str().len() > URL_MAX {
            return Err(format!("the URL is longer than {URL_MAX} bytes"));
        }
        let host = Host::of(url).ok_or("the URL has no host name and no address")?;
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or("the URL has no port")?;
        let addresses = self.egress.check(&host, port).await.map_err(|refusal| refusal.to_string())?;
        let client = self.client(addresses)?;
        let request = client
            .get(url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,*/*;q=0.1")
            .header(ACCEPT_ENCODING, "identity");
        request
            .send()
            .await
            .map_err(|error| format!("failed to get an answer of {host}: {}", innermost(&error)))
    }

    /// Builds a client for one request: it has no cookies, no cache, no proxy, and knows no other address.
    fn client(&self, addresses: Vec<SocketAddr>) -> Result<Client, String> {
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let tls = tls::client_config(&self.network).map_err(|error| error.message)?;
                self.tls.get_or_init(|| tls)
            }
        };
        Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .http1_only()
            .no_proxy()
            .dns_resolver(Arc::new(Checked(addresses)))
            .redirect(redirect::Policy::none())
            .referer(false)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("hermes/", env!("CARGO_PKG_VERSION"), " (web_extract)"))
            .build()
            .map_err(|error| format!("failed to set up the HTTP client: {}", innermost(&error)))
    }
}

/// The checked addresses of the only host of a client. It knows no way to look a name up.
#[derive(Debug)]
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(async move { Ok(addresses) })
    }
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, String> {
    let location = headers.get(LOCATION).and_then(|location| std::str::from_utf8(location.as_bytes()).ok());
    let mut target = location
        .and_then(|location| from.join(location).ok())
        .ok_or("failed to read the page: it redirects without a usable address")?;
    target.set_fragment(None);
    if from.scheme() == "https" && target.scheme() == "http" {
        // Others on the way could write the page, and it would look like one of the https server.
        let shown: String = target.as_str().chars().take(URL_MAX).collect();
        return Err(format!(
            "the page redirects from https to {shown}, which is not encrypted. Call again with that URL if it is wanted"
        ));
    }
    Ok(target)
}

async fn page(url: Url, response: Response) -> Result<Page, String> {
    let status = response.status();
    if !status.is_success() {
        return Err(format!("failed to read the page: the server answers {status}"));
    }
    let header = |name: HeaderName| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.trim().to_ascii_lowercase()
    };
    let (content_type, encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
    if !["", "identity"].contains(&encoding.as_str()) {
        let encoding: String = encoding.chars().take(40).collect();
        return Err(format!(
            "failed to read the page: the server compresses it as {encoding}, although asked not to. Use curl --compressed in terminal"
        ));
    }
    let kind = Kind::of(&content_type);
    if kind == Some(Kind::Other) {
        let essence: String = content_type.chars().take(80).collect();
        return Err(format!(
            "web_extract reads text, and this is {essence}. Download it with curl in terminal"
        ));
    }
    let (body, is_whole) = body(response).await?;
    let address = url.to_string();
    let convert = move || {
        let kind = kind.unwrap_or_else(|| Kind::sniff(&body));
        if kind == Kind::Other {
            return Err(
                "web_extract reads text, and this is binary. Download it with curl in terminal".to_owned()
            );
        }
        let (text, note) = decode::text(body, &content_type, kind);
        let mut page = Page { notes: note.into_iter().collect(), ..Page::default() };
        if kind == Kind::Html {
            let document = markdown::of(&text, &url);
            (page.title, page.text) = (document.title, document.text);
            if document.is_cut {
                page.notes.push("the page is longer than web_extract converts".to_owned());
            }
            if page.text.is_empty() {
                page.notes.push("the page has no text without JavaScript".to_owned());
            }
        } else {
            page.text = text.chars().filter(|letter| !decode::is_hidden(*letter)).collect();
        }
        Ok(page)
    };
    // A page of 5 MB takes a tenth of a second, in which other turns go on.
    let mut page =
        spawn_blocking(convert).await.map_err(|error| format!("failed to convert the page: {error}"))??;
    page.url = address;
    if !is_whole {
        page.notes.push(format!("only the first {} MB of the page were read", BODY_MAX / 1024 / 1024));
    }
    Ok(page)
}

/// Reads a body up to the limit. Returns it, and `true` if it is whole.
async fn body(mut response: Response) -> Result<(Vec<u8>, bool), String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok((body, true)),
            Ok(Some(piece)) if body.len() + piece.len() > BODY_MAX => {
                body.extend_from_slice(&piece[..BODY_MAX - body.len()]);
                return Ok((body, false));
            }
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Err(error) => return Err(format!("failed to read the page: {}", innermost(&error))),
        }
    }
}

/// Returns the innermost cause. The outer ones repeat the URL.
fn innermost(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://a.example/x", "https://b.example/y", Some("https://b.example/y"))]
    #[case("http://a.example/x", "http://b.example/y", Some("http://b.example/y"))]
    #[case("https://a.example/x", "/y#z", Some("https://a.example/y"))]
    #[case("https://a.example/x", "//b.example", Some("https://b.example/"))]
    #[case("https://a.example/x", "http://a.example/y", None)]
    #[case("http://a.example/x", "http://[", None)]
    fn redirects_never_leave_https(
        #[case] from: &str,
        #[case] location: &str,
        #[case] expected: Option<&str>,
    ) {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        let target = redirect_target(&Url::parse(from).unwrap(), &headers);
        assert_eq!(target.ok().as_ref().map(Url::as_str), expected);
    }
}
