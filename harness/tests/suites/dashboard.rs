//! The dashboard in a container: the state of its slot, its failures to start, and its logins.

mod boots;
mod cannot_start;
mod login;
mod password;
mod places;
mod proxy;
mod slot;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Request, Response, Slot, slot_ready};
use hermes_harness::{Container, ContainerBuilder, Look, secs};
use serde_json::Value;

use crate::support::driving::hermes;

/// The default port.
const PORT: u16 = 9119;
const SLOT: &str = "dashboard";
const VARIABLE: &str = "HERMES_DASHBOARD";
const TOKEN: &str = "/opt/data/dashboard/token";

/// Returns a container with the dashboard alone, its port published.
fn with_dashboard() -> ContainerBuilder {
    Container::builder().env(VARIABLE, "1").publish(PORT).cmd(["sleep", "infinity"])
}

/// Starts the container, and waits until its dashboard is bound.
async fn start_dashboard(builder: ContainerBuilder) -> Result<Container> {
    let container = builder.start_ready().await?;
    wait_until_bound(&container).await?;
    Ok(container)
}

/// Waits until the slot is ready. It is ready only after the port is bound, as another test shows.
async fn wait_until_bound(container: &Container) -> Result<Slot> {
    Ok(container.wait_until("the dashboard is bound", slot_ready(SLOT), secs(10)).await?)
}

/// Returns the slot. It has to be supervised.
async fn slot(container: &Container) -> Result<Slot> {
    container.slot(SLOT).await?.context("nothing supervises the dashboard")
}

/// Checks that the slot is down, is to stay down, and that the port is not bound.
async fn check_down(container: &Container) -> Result<()> {
    let slot = slot(container).await?;
    ensure!(!slot.up && !slot.wanted_up, "not down: {slot}");
    let ports = container.listening_ports().await?;
    ensure!(ports.iter().all(|listening| listening.port != PORT), "something listens: {ports:?}");
    Ok(())
}

/// Returns the last state that the dashboard recorded.
async fn record(container: &Container) -> Result<Value> {
    let bytes = container.read_file("/opt/data/dashboard/state.json").await?;
    serde_json::from_slice(&bytes).with_context(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the token on the volume.
async fn token(container: &Container) -> Result<String> {
    Ok(String::from_utf8(container.read_file(TOKEN).await?)?.trim().to_owned())
}

/// Returns the path of a link that `hermes dashboard link` or the log shows.
fn path_of_link(link: &str) -> Result<&str> {
    let (_, rest) = link.split_once("://").context("it is no link")?;
    Ok(&rest[rest.find('/').context("it has no path")?..])
}

/// Returns the link that `hermes dashboard link` prints.
async fn link(container: &Container) -> Result<String> {
    Ok(hermes(container, "dashboard link").await?.success().text())
}

/// Returns the session cookie of an answer.
fn session_of(answer: &Response) -> Result<String> {
    let cookie = answer.header("set-cookie").with_context(|| format!("no cookie: {answer:?}"))?;
    let value = cookie.split(';').next().unwrap_or_default().to_owned();
    ensure!(value.starts_with("hermes_session_") && value.len() > 30, "{cookie}");
    Ok(value)
}

/// Logs in with the form, and returns the answer.
async fn enter(container: &Container, user: &str, password: &str) -> Result<Response> {
    let form = Request::post("/login").form(&[("username", user), ("password", password)]);
    Ok(container.http(PORT, &form).await?)
}

/// Returns the status of a page that needs a login.
async fn status_with(container: &Container, header: (&str, &str)) -> Result<u16> {
    Ok(container.http_get(PORT, "/api/profiles", &[header]).await?.status)
}

/// Waits for a status. The dashboard sees a change by another process at the next request at the latest.
async fn wait_for_status(container: &Container, cookie: &str, status: u16) -> Result<()> {
    let is = async |container: &Container| {
        let seen = status_with(container, ("Cookie", cookie)).await?;
        Ok(Look::holds(seen == status, || seen.to_string()))
    };
    Ok(container.wait_until(format!("the answer is {status}"), is, secs(10)).await?)
}

/// Returns the address to which the port is bound, or `None` if it is not.
async fn bound_address(container: &Container, port: u16) -> Result<Option<String>> {
    let ports = container.listening_ports().await?;
    Ok(ports.iter().find(|listening| listening.port == port).map(|listening| listening.address.to_string()))
}
