//! Access to the pages, and its end.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test, secs};
use serde_json::json;

use super::{Dash, check_no_complaints, with_dashboard};

async fn with_password() -> Result<Dash> {
    let user = ("HERMES_DASHBOARD_BASIC_AUTH_USERNAME", "ada");
    let password = ("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD", "difference engine");
    Dash::of(with_dashboard().env(user.0, user.1).env(password.0, password.1)).await
}

async fn log_in(browser: &Browser, password: &str) -> Result<()> {
    browser.fill("#username", "ada").await?;
    browser.fill("#password", password).await?;
    browser.click("form.stack button").await?;
    Ok(())
}

/// A script that counts the elements for logged-in users.
const INSIDE: &str = "return document.querySelectorAll('#profiles, nav').length";

#[docker_test]
async fn a_wrong_password_and_a_logout_hide_everything() -> Result<()> {
    let dash = with_password().await?;
    let browser = Browser::builder().start().await?;
    browser.goto(&dash.url("/")).await?;
    browser.wait_for("#username").await?;
    ensure!(browser.execute(INSIDE).await? == json!(0));
    ensure!(browser.findings().await?.is_empty(), "{:#?}", browser.findings().await?);
    check_no_complaints(&browser, "at the door").await?;

    log_in(&browser, "difference engin").await?;
    browser.wait_for_text("the name or the password is wrong").await?;
    browser.new_console().await?;
    log_in(&browser, "difference engine").await?;
    browser.wait_for("#profiles").await?;
    let text = browser.execute("return document.documentElement.outerHTML + document.cookie").await?;
    ensure!(!text.as_str().unwrap_or_default().contains("difference engine"), "the password is in the page");

    browser.click_text("Boots").await?;
    browser.wait_for(".boot").await?;
    browser.click_text("Log out").await?;
    browser.wait_for("#username").await?;
    check_no_complaints(&browser, "inside").await?;
    browser.back().await?;
    browser.wait_for("#username").await?;
    ensure!(browser.execute(INSIDE).await? == json!(0));
    browser.goto(&dash.url("/doctor")).await?;
    browser.wait_for("#username").await?;
    Ok(())
}

#[docker_test]
async fn a_global_logout_sends_open_pages_to_the_login() -> Result<()> {
    let dash = with_password().await?;
    let browser = Browser::builder().start().await?;
    browser.goto(&dash.url("/login")).await?;
    log_in(&browser, "difference engine").await?;
    browser.wait_for("#profiles").await?;
    dash.sh("hermes dashboard logout --all").await?;
    browser.within(secs(8)).wait_for("#username").await?;
    browser.goto(&dash.url("/")).await?;
    browser.wait_for("#username").await?;
    ensure!(browser.execute(INSIDE).await? == json!(0));
    Ok(())
}

#[docker_test]
async fn an_invalid_link_and_a_wrong_token_are_refused() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    browser.goto(&dash.url("/login?token=0000")).await?;
    browser.wait_for_text("this link is not valid").await?;
    browser.wait_for_text("hermes dashboard link").await?;
    browser.fill("#password", "0000").await?;
    browser.click("form.stack button").await?;
    browser.wait_for_text("that is not the token").await?;
    let link = dash.link_of_the_command().await?;
    let token = link.rsplit_once('=').map(|(_, token)| token).unwrap_or_default();
    browser.fill("#password", token).await?;
    browser.click("form.stack button").await?;
    browser.wait_for("#profiles").await?;
    Ok(())
}
