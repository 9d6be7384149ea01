//! A web page in the operator's browser attacks the dashboard, and an operator opens many tabs of it.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test, secs};

use crate::browser::Server;
use crate::dashboard_pages::{Dash, row_says, with_dashboard};

const PASSWORD: &str = "correct horse";

/// Returns a page that sends requests with `no-cors`, as `<img>` does. Its title becomes `done` after all answers.
fn attack_page(address: &str) -> String {
    format!(
        r#"<!doctype html><title>Kittens</title><body><script>
        const tries = [];
        const image = (url) => new Promise((done) => {{ const one = new Image(); one.onload = one.onerror = done; one.src = url; }});
        for (let count = 0; count < 15; count++) {{
          tries.push(image("{address}/login?token=x" + count));
          const form = new URLSearchParams({{ username: "hermes", password: "wrong" + count }});
          tries.push(fetch("{address}/login", {{ method: "POST", mode: "no-cors", body: form }}).catch(() => null));
          tries.push(fetch("{address}/", {{ mode: "no-cors", credentials: "include" }}).catch(() => null));
        }}
        Promise.all(tries).then(() => {{ document.title = "done"; }});
        </script>"#
    )
}

/// Shows a page of another site, on the same machine. The server serves as long as the handle lives.
async fn visit_another_site(browser: &Browser, page: &str) -> Result<Server> {
    let server = Server::start(page).await?;
    // The dashboard is at 127.0.0.1, which is another site than localhost.
    browser.goto(&server.url().replace("127.0.0.1", "localhost")).await?;
    Ok(server)
}

async fn visit_the_attacker(browser: &Browser, dash: &Dash) -> Result<()> {
    let _server = visit_another_site(browser, &attack_page(&dash.url(""))).await?;
    let browser = browser.within(secs(30));
    browser.wait_for_script("the attack is over", "return document.title === 'done';").await?;
    Ok(())
}

#[docker_test]
async fn a_foreign_page_does_not_lock_the_password_out() -> Result<()> {
    let dash = Dash::of(with_dashboard().env("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD", PASSWORD)).await?;
    let browser = Browser::builder().start().await?;
    visit_the_attacker(&browser, &dash).await?;
    browser.goto(&dash.url("/login")).await?;
    browser.fill("#username", "hermes").await?;
    browser.fill("#password", PASSWORD).await?;
    browser.click_text("Log in").await?;
    browser.wait_for("#profiles").await?;
    Ok(())
}

#[docker_test]
async fn a_foreign_page_does_not_lock_the_link_out() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    visit_the_attacker(&browser, &dash).await?;
    dash.enter(&browser).await
}

#[docker_test]
async fn a_link_on_a_foreign_page_opens_the_dashboard() -> Result<()> {
    let dash = Dash::up().await?;
    let link = dash.link_of_the_command().await?;
    let page = format!("<!doctype html><title>Notes</title><a href=\"{link}\">agents</a>");
    let browser = Browser::builder().start().await?;
    let _server = visit_another_site(&browser, &page).await?;
    browser.click_text("agents").await?;
    browser.wait_for("#profiles").await?;
    Ok(())
}

#[docker_test]
async fn two_dashboards_on_one_host_stay_logged_in() -> Result<()> {
    let (one, other) = (Dash::up().await?, Dash::up().await?);
    let browser = Browser::builder().start().await?;
    one.enter(&browser).await?;
    other.enter(&browser).await?;
    for dash in [&one, &other] {
        browser.goto(&dash.url("/")).await?;
        browser.wait_for("#profiles").await?;
    }
    Ok(())
}

/// Returns the number of the browser's connections to the dashboard, as the container sees them.
async fn connection_count(dash: &Dash) -> Result<usize> {
    // /proc/net/tcp: the local port in hexadecimal, state 01 is ESTABLISHED.
    let count =
        dash.sh("cat /proc/net/tcp /proc/net/tcp6 | awk '$2 ~ /:239F$/ && $4 == \"01\"' | wc -l").await?;
    Ok(count.trim().parse()?)
}

#[docker_test]
async fn ten_tabs_are_live_over_http_1() -> Result<()> {
    let dash = Dash::up().await?;
    dash.sh("hermes profile create coder && hermes profile create writer").await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    let first = browser.tab().await?;
    let mut tabs = Vec::new();
    for number in 0..9 {
        tabs.push(browser.open_tab().await?);
        let page = ["/", "/profiles/coder", "/profiles/writer"][number % 3];
        browser.goto(&dash.url(page)).await?;
        browser.wait_for("h1").await?;
    }
    // A browser opens at most six connections to one host.
    let held = connection_count(&dash).await?;
    ensure!(held <= 6, "{held} connections");
    browser.show_tab(&first).await?;
    dash.sh("hermes profile create later").await?;
    row_says(&browser, "later", "stopped").await?;
    browser.click("button[value=\"start:coder\"]").await?;
    row_says(&browser, "coder", "running").await?;
    // An agent's page updates its state and its log when its tab is shown.
    browser.show_tab(&tabs[1]).await?;
    browser.wait_for("button[value=\"stop:coder\"]").await?;
    dash.sh("echo a-line-of-the-log >>/opt/data/logs/gateways/coder/current").await?;
    browser.wait_for_text("a-line-of-the-log").await?;
    Ok(())
}

#[docker_test]
async fn pages_are_live_without_a_shared_worker() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    browser.add_script("delete window.SharedWorker;").await?;
    browser.reload().await?;
    browser.wait_for("#profiles").await?;
    ensure!(browser.execute("return typeof SharedWorker;").await? == "undefined");
    dash.sh("hermes profile create later").await?;
    row_says(&browser, "later", "stopped").await?;
    Ok(())
}
