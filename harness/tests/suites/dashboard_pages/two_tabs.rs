//! Two pages that are open at the same time.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test};

use super::{Dash, row, row_says, wait_until_row_is_gone};

#[docker_test]
async fn a_second_save_shows_both_texts_and_overwrites_nothing() -> Result<()> {
    let dash = Dash::up().await?;
    dash.sh("hermes profile create coder").await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    let first = browser.tab().await?;
    browser.goto(&dash.url("/profiles/coder")).await?;
    let second = browser.open_tab().await?;
    browser.goto(&dash.url("/profiles/coder")).await?;
    browser.fill("#soul-text", "of the second tab").await?;

    browser.show_tab(&first).await?;
    browser.fill("#soul-text", "of the first tab").await?;
    browser.click_text("Save").await?;
    browser.wait_for_text("coder has its new SOUL.md").await?;

    browser.show_tab(&second).await?;
    browser.click_text("Save").await?;
    browser.wait_for_text("Somebody else changed it meanwhile; nothing was saved.").await?;
    ensure!(browser.text("pre.wanted").await? == "of the second tab");
    let now = browser.execute("return document.getElementById('soul-text').value.trim()").await?;
    ensure!(now == "of the first tab", "{now}");
    ensure!(dash.sh("cat /opt/data/profiles/coder/SOUL.md").await? == "of the first tab");

    // After both texts were shown, a save succeeds.
    browser.fill("#soul-text", "of both").await?;
    browser.click_text("Save").await?;
    browser.wait_for_text("coder has its new SOUL.md").await?;
    ensure!(dash.sh("cat /opt/data/profiles/coder/SOUL.md").await? == "of both");
    Ok(())
}

#[docker_test]
async fn a_deletion_in_one_tab_reaches_the_other_tab() -> Result<()> {
    let dash = Dash::up().await?;
    dash.sh("hermes profile create coder && hermes profile create stays").await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    row_says(&browser, "coder", "stopped").await?;
    let overview = browser.tab().await?;
    let page = browser.open_tab().await?;
    browser.goto(&dash.url("/profiles/coder")).await?;
    browser.wait_for("button[value=\"start:coder\"]").await?;

    let third = browser.open_tab().await?;
    browser.goto(&dash.url("/profiles/coder/delete")).await?;
    browser.fill("#confirm", "coder").await?;
    browser.click("form button.danger").await?;
    browser.wait_for_text("coder was deleted.").await?;

    browser.show_tab(&overview).await?;
    wait_until_row_is_gone(&browser, "coder").await?;
    browser.wait_for(&row("stays", "button")).await?;
    browser.show_tab(&page).await?;
    browser.wait_for_text("coder was deleted.").await?;
    // Nothing on its page can be done any more.
    let enabled =
        "return document.querySelectorAll('main button:enabled, main input:enabled, main a.button').length";
    let enabled = browser.execute(enabled).await?;
    ensure!(enabled == 0, "{enabled} buttons of the deleted agent still work");
    // A late deletion reports the same.
    browser.show_tab(&third).await?;
    browser.goto(&dash.url("/profiles/coder/delete")).await?;
    browser.wait_for_text("It did not work").await?;
    browser.wait_for_text("coder").await?;
    Ok(())
}
