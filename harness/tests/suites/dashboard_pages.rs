//! The dashboard as a user sees it: in a real browser, served from the container.

mod axe;
mod every_page;
mod find;
mod keyboard;
mod life;
mod login;
mod lost_connection;
mod many_agents;
mod pictures;
mod trouble;
mod two_tabs;
mod without_script;

use anyhow::{Context, Result, ensure};
use hermes_harness::browser::ConsoleLine;
use hermes_harness::{Browser, Container, ContainerBuilder, Look, secs};
use serde_json::Value;

/// A running dashboard, and its address on the host.
pub(crate) struct Dash {
    container: Container,
    address: String,
}

/// Returns a container with the dashboard enabled and published.
pub(crate) fn with_dashboard() -> ContainerBuilder {
    Container::builder().env("HERMES_DASHBOARD", "1").publish(9119).cmd(["sleep", "infinity"])
}

impl Dash {
    pub(crate) async fn up() -> Result<Self> {
        Self::of(with_dashboard()).await
    }

    pub(crate) async fn of(builder: ContainerBuilder) -> Result<Self> {
        let container = builder.start_ready().await?;
        let address = format!("http://127.0.0.1:{}", container.published_port(9119).await?);
        let dash = Self { container, address };
        dash.wait_until_answering().await?;
        Ok(dash)
    }

    /// Waits until the dashboard answers.
    async fn wait_until_answering(&self) -> Result<()> {
        let status = async |container: &Container| {
            let answer = container.http_get_inside(9119, "/api/status", &[]).await;
            let seen = format!("{answer:?}");
            Ok(Look::holds(answer.is_ok_and(|answer| answer.status == 200), || seen))
        };
        Ok(self.container.wait_until("the dashboard answers", status, secs(20)).await?)
    }

    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    /// Returns the address of a page.
    pub(crate) fn url(&self, page: &str) -> String {
        format!("{}{page}", self.address)
    }

    /// Returns the link in the container's log, with the published port.
    async fn link_of_the_log(&self) -> Result<String> {
        let printed = async |container: &Container| {
            let log = container.log().await?;
            let link = log
                .lines()
                .find_map(|line| line.split_once("dashboard: open "))
                .map(|(_, link)| link.to_owned());
            Ok(Look::from_option(link, || log))
        };
        let link = self.container.wait_until("the link is printed", printed, secs(10)).await?;
        self.published(&link)
    }

    /// Returns the link that `hermes dashboard link` prints, with the published port.
    pub(crate) async fn link_of_the_command(&self) -> Result<String> {
        let link = self.container.exec(["hermes", "dashboard", "link"]).await?.success().text();
        self.published(&link)
    }

    fn published(&self, link: &str) -> Result<String> {
        let page = link
            .trim()
            .strip_prefix("http://localhost:9119")
            .with_context(|| format!("no link: {link:?}"))?;
        Ok(self.url(page))
    }

    /// Logs in by the link, to the overview.
    pub(crate) async fn enter(&self, browser: &Browser) -> Result<()> {
        browser.goto(&self.link_of_the_command().await?).await?;
        browser.wait_for("#profiles").await?;
        Ok(())
    }

    /// Returns the output of a script in the container, run as `hermes`.
    pub(crate) async fn sh(&self, script: &str) -> Result<String> {
        Ok(self.container.exec_sh(script).deadline(secs(60)).await?.success().text())
    }
}

/// Returns the selector of a row of the overview, or of an element in it.
fn row(agent: &str, within: &str) -> String {
    format!("#profiles tr[data-profile=\"{agent}\"] {within}").trim_end().to_owned()
}

/// Waits until the row of an agent shows a state.
pub(crate) async fn row_says(browser: &Browser, agent: &str, state: &str) -> Result<()> {
    let script = format!(
        "const seen = document.querySelector('{}'); return seen ? seen.textContent === '{state}' || seen.textContent : 'no row';",
        row(agent, ".state")
    );
    Ok(browser.wait_for_script(&format!("the row of {agent} says {state}"), &script).await?)
}

/// Waits until an agent has no row.
async fn wait_until_row_is_gone(browser: &Browser, agent: &str) -> Result<()> {
    let script = format!("return document.querySelector('{}') === null;", row(agent, ""));
    Ok(browser.wait_for_script(&format!("the row of {agent} is gone"), &script).await?)
}

/// Marks the page. A reload would remove the mark.
async fn mark(browser: &Browser) -> Result<()> {
    browser.execute("window.notLoadedAgain = true;").await?;
    Ok(())
}

/// Checks that the page is the marked one.
async fn check_marked(browser: &Browser) -> Result<()> {
    let marked = browser.execute("return window.notLoadedAgain === true;").await?;
    ensure!(marked == Value::Bool(true), "the page was loaded again: {}", browser.url().await?);
    Ok(())
}

/// Checks that the console has no new complaint.
async fn check_no_complaints(browser: &Browser, when: &str) -> Result<()> {
    check_complaints(browser, when, "nothing").await
}

/// Checks that all new complaints of the console contain `only`.
async fn check_complaints(browser: &Browser, when: &str, only: &str) -> Result<()> {
    let complaints = browser.new_console().await?.into_iter().filter(ConsoleLine::is_complaint);
    let said: Vec<String> =
        complaints.map(|line| line.to_string()).filter(|line| !line.contains(only)).collect();
    ensure!(said.is_empty(), "{when}: {said:#?}");
    Ok(())
}
