//! The overview without a mouse.

use anyhow::{Result, ensure};
use hermes_harness::{Browser, docker_test};
use serde_json::json;

use super::{Dash, check_no_complaints, row_says};

/// A script that returns `true` if a person can see the focus.
const SEEN: &str = "const style = getComputedStyle(document.activeElement); const box = document.activeElement.getBoundingClientRect(); \
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 1 && box.left >= 0;";

/// Returns the focused element: its tag and its name, as in `button Create`.
async fn focused(browser: &Browser) -> Result<String> {
    const NAME: &str = "const e = document.activeElement; return e ? (e.tagName.toLowerCase() + ' ' + \
        (e.getAttribute('aria-label') || e.innerText || e.name || e.id || '').trim()) : '';";
    Ok(browser.evaluate(NAME).await?)
}

/// Presses Tab until the element has the focus, and returns the elements on the way.
async fn tab_to(browser: &Browser, wanted: &str) -> Result<Vec<String>> {
    let mut way = Vec::new();
    for _ in 0..40 {
        browser.press("Tab").await?;
        let now = focused(browser).await?;
        ensure!(
            browser.execute(SEEN).await? == json!(true),
            "nobody sees the focus on {now:?}, behind {way:?}"
        );
        way.push(now.clone());
        if now == wanted {
            return Ok(way);
        }
    }
    anyhow::bail!("the focus never comes to {wanted:?}: {way:#?}")
}

#[docker_test]
async fn an_agent_is_created_and_started_with_the_keyboard_alone() -> Result<()> {
    let dash = Dash::up().await?;
    let browser = Browser::builder().start().await?;
    dash.enter(&browser).await?;
    let way = tab_to(&browser, "input name").await?;
    let expected = [
        "a Skip to the content",
        "a hermes",
        "a Overview",
        "a Boots",
        "a Doctor",
        "button Log out",
        "input q",
        "button Find",
        "input name",
    ];
    ensure!(way == expected, "{way:#?}");
    browser.press("t y p i s t").await?;
    browser.press("Enter").await?;
    row_says(&browser, "typist", "stopped").await?;
    tab_to(&browser, "button Start typist").await?;
    // The answer waits until the test lets it come.
    let hold = "const real = window.fetch; window.fetch = (...all) => new Promise((answer) => { window.go = () => answer(real(...all)); });";
    browser.execute(hold).await?;
    browser.press("Space").await?;
    browser.wait_for("button[value=\"start:typist\"][aria-busy=true]").await?;
    browser.wait_for_text("Starting typist…").await?;
    // A change of the row by somebody else ends nothing.
    dash.sh("hermes -p typist config set gateway.port 9777").await?;
    browser
        .wait_for_script(
            "the row has the new port",
            "return document.querySelector('[data-profile=typist] [data-label=Port]').textContent === '9777'",
        )
        .await?;
    ensure!(
        browser.execute("return document.activeElement.getAttribute('aria-busy')").await? == "true",
        "the action is not shown any more"
    );
    browser.execute("window.go()").await?;
    row_says(&browser, "typist", "running").await?;
    browser.wait_for_text("typist is running.").await?;
    // The focus stays on the button, which does nothing more: a second press must not stop the agent.
    ensure!(
        focused(&browser).await? == "button Start typist",
        "the focus went to {:?}",
        focused(&browser).await?
    );
    browser.press("Enter").await?;
    browser.press("Enter").await?;
    tab_to(&browser, "button Restart typist").await?;
    ensure!(
        dash.sh("hermes -p typist gateway status --json").await?.contains("\"running\""),
        "it was stopped"
    );

    // The agent's own page works in the same way.
    browser.goto(&dash.url("/profiles/typist")).await?;
    tab_to(&browser, "button Stop typist").await?;
    let place = "const box = document.activeElement.getBoundingClientRect(); return [box.x, box.y, box.width].join(' ')";
    let before = browser.execute(place).await?;
    browser.press("Enter").await?;
    browser.wait_for("h1 .state.quiet").await?;
    browser.wait_for("button[value=\"stop:typist\"][aria-disabled=true]").await?;
    ensure!(
        focused(&browser).await? == "button Stop typist",
        "the focus went to {:?}",
        focused(&browser).await?
    );
    let after = browser.execute(place).await?;
    ensure!(after == before, "the button moved from {before} to {after}");

    // The skip link leads past the navigation.
    browser.goto(&dash.url("/")).await?;
    tab_to(&browser, "a Skip to the content").await?;
    browser.press("Enter").await?;
    ensure!(tab_to(&browser, "input q").await? == ["input q"]);
    check_no_complaints(&browser, "by keyboard").await
}
