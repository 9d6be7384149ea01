//! The dashboard behind a reverse proxy: the recipe of `docs/dashboard.md`, run by a real nginx.

mod nginx;

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::Request;
use hermes_harness::{Container, ContainerBuilder, docker_test};

use self::nginx::{NAME, Nginx, block};
use super::{PORT, link, path_of_link, session_of, start_dashboard, token, with_dashboard};

/// The addresses of two browsers.
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3));

const PASSWORD: &str = "correct horse";

/// The dashboard as the document starts it, with an nginx in front.
struct Site {
    container: Container,
    nginx: Nginx,
    token: String,
}

impl Site {
    async fn start(trusts_the_proxy: bool) -> Result<Self> {
        let site = Self::of(with_dashboard(), trusts_the_proxy).await?;
        let token = token(&site.container).await?;
        Ok(Self { token, ..site })
    }

    /// Starts a site with a password instead of the token.
    async fn with_password(trusts_the_proxy: bool) -> Result<Self> {
        let builder = with_dashboard().env("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD", PASSWORD);
        let site = Self::of(builder, trusts_the_proxy).await?;
        Ok(Self { token: PASSWORD.to_owned(), ..site })
    }

    async fn of(mut builder: ContainerBuilder, trusts_the_proxy: bool) -> Result<Self> {
        let mut known = 0;
        for (name, value) in variables()? {
            known += 1;
            if name != "HERMES_DASHBOARD_TRUSTED_PROXIES" {
                builder = builder.env(&name, &value);
            }
        }
        ensure!(known == 4, "the document sets {known} variables");
        if trusts_the_proxy {
            builder = builder.env("HERMES_DASHBOARD_TRUSTED_PROXIES", &trusted()?);
        }
        let container = start_dashboard(builder).await?;
        let nginx = Nginx::in_front_of(container.published_port(PORT).await?).await?;
        Ok(Self { container, nginx, token: String::new() })
    }

    /// Returns a form of a page of this site.
    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        Request::post(path).header("Origin", &self.nginx.origin()).form(fields)
    }

    /// Logs in with this password, from an address.
    async fn enter(&self, from: IpAddr, password: &str) -> Result<hermes_harness::probe::Response> {
        let form = self.form("/hermes/login", &[("username", "hermes"), ("password", password)]);
        self.nginx.ask(from, &form).await
    }

    async fn logged_in(&self) -> Result<String> {
        session_of(&self.enter(HERE, &self.token).await?)
    }
}

/// Returns the variables of the command above the recipe.
fn variables() -> Result<Vec<(String, String)>> {
    let document = include_str!("../../../../docs/dashboard.md");
    let (_, section) = document.split_once("## Behind a reverse proxy").context("the section is there")?;
    let pairs = section
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-e ")?.trim_end_matches(" \\").split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Returns the networks that the document trusts, and the private networks that the engine here may use instead.
fn trusted() -> Result<String> {
    let variables = variables()?;
    let named = variables.iter().find(|(name, _)| name == "HERMES_DASHBOARD_TRUSTED_PROXIES");
    let (_, networks) = named.context("the document names the proxy")?;
    Ok(format!("{networks},10.0.0.0/8,192.168.0.0/16"))
}

#[docker_test]
async fn the_recipe_serves_login_and_links_below_its_path() -> Result<()> {
    let site = Site::start(true).await?;
    let stranger = site.nginx.ask(HERE, &Request::get("/hermes/")).await?;
    ensure!(stranger.status == 303 && stranger.header("location") == Some("/hermes/login"), "{stranger:?}");
    let short = site.nginx.ask(HERE, &Request::get("/hermes")).await?;
    let to = short.header("location").unwrap_or_default();
    ensure!(short.status == 308 && to.ends_with("/hermes/"), "{short:?}");

    let entered = site.enter(HERE, &site.token).await?;
    ensure!(entered.status == 303 && entered.header("location") == Some("/hermes/"), "{entered:?}");
    let cookie = entered.header("set-cookie").context("a cookie")?.to_owned();
    for attribute in ["Path=/hermes/;", "; Secure", "HttpOnly", "SameSite=Strict"] {
        ensure!(cookie.contains(attribute), "no {attribute}: {cookie}");
    }
    let session = session_of(&entered)?;
    let mut checked = 0;
    for page in ["/hermes/", "/hermes/login", "/hermes/profiles/default", "/hermes/boots", "/hermes/doctor"] {
        let answer = site.nginx.ask(HERE, &Request::get(page).header("Cookie", &session)).await?;
        ensure!(answer.status == 200, "{page}: {}", answer.status);
        for target in links(&answer.text()) {
            ensure!(target.starts_with("/hermes/") || target.starts_with('#'), "{page} leads to {target}");
            checked += 1;
        }
    }
    ensure!(checked > 20, "only {checked} links were found");
    let home = site.nginx.ask(HERE, &Request::get("/hermes/").header("Cookie", &session)).await?.text();
    let assets: Vec<_> = links(&home).into_iter().filter(|target| target.contains("/assets/")).collect();
    ensure!(assets.len() >= 3, "{assets:?}");
    for asset in assets {
        let answer = site.nginx.ask(HERE, &Request::get(&asset)).await?;
        ensure!(answer.status == 200, "{asset}: {}", answer.status);
    }
    // The link contains the path as well.
    let link = link(&site.container).await?;
    let opened = site.nginx.ask(HERE, &Request::get(path_of_link(&link)?)).await?;
    session_of(&opened)?;
    Ok(())
}

/// Returns the targets of a page's links, resources and forms.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in [" href=\"", " src=\"", " action=\"", " formaction=\""] {
        let targets = page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(targets.map(|target| target.replace("&amp;", "&")));
    }
    found
}

#[docker_test]
async fn events_arrive_through_the_proxy_when_they_happen() -> Result<()> {
    let site = Site::start(true).await?;
    let session = site.logged_in().await?;
    let events = Request::get("/hermes/api/events?since=0").header("Cookie", &session);
    let mut stream = site.nginx.open(HERE, &events).await?;
    let head = stream.until("retry: 2000\n").await?;
    ensure!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    for name in ["coder", "writer"] {
        let create = Request::post("/hermes/api/profiles")
            .header("Authorization", &format!("Bearer {}", site.token))
            .json(&format!(r#"{{"name":"{name}"}}"#));
        let created = site.nginx.ask(HERE, &create).await?;
        ensure!(created.status == 201, "{}: {}", created.status, created.text());
        // The answer never ends.
        stream.until(&format!("\"name\":\"{name}\"")).await?;
    }
    Ok(())
}

#[docker_test]
async fn foreign_origins_and_host_names_are_refused() -> Result<()> {
    let site = Site::start(true).await?;
    let session = site.logged_in().await?;
    let page = site.nginx.ask(HERE, &Request::get("/hermes/").header("Cookie", &session)).await?.text();
    let csrf = page.split("data-csrf=\"").nth(1).and_then(|rest| rest.split('"').next()).context("csrf")?;
    let create = |origin: &str| {
        Request::post("/hermes/profiles")
            .header("Cookie", &session)
            .header("Origin", origin)
            .form(&[("name", "theirs"), ("csrf", csrf)])
    };
    for origin in ["https://evil.example", "null", "https://agents.example.org:1", "http://localhost:9119"] {
        let refused = site.nginx.ask(HERE, &create(origin)).await?;
        ensure!(refused.status == 403, "{origin}: {}", refused.status);
    }
    let profile = "/opt/data/profiles/theirs";
    ensure!(site.container.file(profile).await?.is_none(), "a foreign page made a profile");
    let made = site.nginx.ask(HERE, &create(&site.nginx.origin())).await?;
    ensure!(made.status == 303 && site.container.file(profile).await?.is_some(), "{made:?}");

    let other =
        site.nginx.ask(HERE, &Request::get("/hermes/login").header("Host", "rebound.example")).await?;
    ensure!(other.status == 421, "{}: {}", other.status, other.text());
    Ok(())
}

#[docker_test]
async fn failed_logins_count_per_client_behind_a_trusted_proxy() -> Result<()> {
    let site = Site::with_password(true).await?;
    for attempt in 0..5 {
        let form = site
            .form("/hermes/login", &[("username", "hermes"), ("password", &format!("wrong {attempt}"))])
            .header("X-Forwarded-For", &format!("203.0.113.{attempt}"));
        let refused = site.nginx.ask(HERE, &form).await?;
        ensure!(refused.status == 401, "attempt {attempt}: {}", refused.status);
    }
    let waits = site.enter(HERE, &site.token).await?;
    ensure!(waits.status == 429, "{}", waits.status);
    session_of(&site.enter(THERE, &site.token).await?)?;
    Ok(())
}

#[docker_test]
async fn clients_behind_an_untrusted_proxy_share_one_delay() -> Result<()> {
    let site = Site::with_password(false).await?;
    let entered = site.enter(HERE, &site.token).await?;
    session_of(&entered)?;
    let cookie = entered.header("set-cookie").unwrap_or_default();
    ensure!(!cookie.contains("Secure"), "{cookie}");
    for attempt in 0..5 {
        let refused = site.enter(HERE, &format!("wrong {attempt}")).await?;
        ensure!(refused.status == 401, "attempt {attempt}: {}", refused.status);
    }
    let waits = site.enter(THERE, &site.token).await?;
    ensure!(waits.status == 429, "{}", waits.status);
    Ok(())
}

#[docker_test]
async fn the_port_of_a_forwarded_client_is_ignored() -> Result<()> {
    let builder = with_dashboard()
        .env("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD", PASSWORD)
        .env("HERMES_DASHBOARD_TRUSTED_PROXIES", &trusted()?);
    let container = start_dashboard(builder).await?;
    let enter = async |header: &str, client: &str, password: &str| {
        let form = Request::post("/login").header(header, client);
        container.http(PORT, &form.form(&[("username", "hermes"), ("password", password)])).await
    };
    for (header, one, other) in [
        ("X-Forwarded-For", "203.0.113.9:5000", "203.0.113.10:5000"),
        ("X-Forwarded-For", "[2001:db8:1::1]:5000", "[2001:db8:2::1]:5000"),
        ("Forwarded", "for=\"198.51.100.9:5000\";proto=https", "For=198.51.100.10"),
    ] {
        for attempt in 0..5 {
            let client = one.replace("5000", &format!("500{attempt}"));
            let refused = enter(header, &client, &format!("wrong {attempt}")).await?;
            ensure!(refused.status == 401, "{client}: {}", refused.status);
        }
        let waits = enter(header, one, PASSWORD).await?;
        ensure!(waits.status == 429, "{one}: {}", waits.status);
        session_of(&enter(header, other, PASSWORD).await?)?;
    }
    Ok(())
}

#[docker_test]
async fn an_explicit_default_port_is_the_same_site() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let token = token(&container).await?;
    let enter = async |headers: &[(&str, &str)]| {
        let form =
            headers.iter().fold(Request::post("/login"), |form, (name, value)| form.header(name, value));
        Ok::<_, anyhow::Error>(
            container.http(PORT, &form.form(&[("username", ""), ("password", &token)])).await?.status,
        )
    };
    for headers in [
        [("Host", "localhost:443"), ("Origin", "https://localhost"), ("Sec-Fetch-Site", "same-origin")]
            .as_slice(),
        &[("Host", "localhost:443"), ("Origin", "https://localhost")],
        &[("Host", "localhost"), ("Origin", "http://localhost:80")],
        // A proxy with `Referrer-Policy: no-referrer` causes this origin.
        &[("Host", "localhost"), ("Origin", "null"), ("Sec-Fetch-Site", "same-origin")],
    ] {
        ensure!(enter(headers).await? == 303, "{headers:?}");
    }
    for headers in [
        [("Host", "localhost"), ("Origin", "https://localhost:444")].as_slice(),
        &[("Host", "localhost"), ("Origin", "null")],
        &[("Host", "localhost"), ("Origin", "http://localhost"), ("Sec-Fetch-Site", "cross-site")],
    ] {
        ensure!(enter(headers).await? == 403, "{headers:?}");
    }
    Ok(())
}

#[docker_test]
async fn the_document_names_the_same_site_in_command_and_recipe() -> Result<()> {
    let variables = variables()?;
    let value =
        |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    ensure!(value("HERMES_DASHBOARD_ALLOWED_HOSTS") == Some(NAME), "{variables:?}");
    let path = value("HERMES_DASHBOARD_BASE_PATH").context("it has a path")?;
    ensure!(block("nginx")?.contains(&format!("location {path}/ {{")), "not the path of the command: {path}");
    Ok(())
}
