//! The accessibility checks of the browser: they find each planted fault, and find none on a good page.

use anyhow::{Result, ensure};
use hermes_harness::Browser;
use hermes_harness::browser::{Fault, Finding};
use hermes_harness::docker_test;

use super::{GOOD, open_page};
use crate::browser::server::Server;

/// Returns the good page with one piece replaced.
fn planted(good: &str, bad: &str) -> String {
    assert!(GOOD.contains(good), "no {good:?} in the page");
    GOOD.replacen(good, bad, 1)
}

async fn findings(browser: &Browser, page: &str) -> Result<Vec<Finding>> {
    let server = Server::start(page).await?;
    browser.goto(&server.url()).await?;
    Ok(browser.findings().await?)
}

#[docker_test]
async fn a_good_page_has_no_findings() -> Result<()> {
    let (_server, browser) = open_page(GOOD).await?;
    ensure!(browser.findings().await?.is_empty(), "{:?}", browser.findings().await?);
    browser.expect_accessible().await?;
    Ok(())
}

/// A piece of the good page, its replacement, and the expected finding: kind, element, part of the detail.
const PLANTED: &[(&str, &str, Fault, &str, &str)] = &[
    ("<label for=\"name\">", "<label>", Fault::Label, "input#name", "no label"),
    ("id=\"add\" type=\"button\">Add<", "id=\"add\" type=\"button\"><", Fault::Name, "button#add", "no name"),
    (
        "<a href=\"#end\"><img alt=\"To the end\"",
        "<a href=\"#end\"><img alt=\"\"",
        Fault::Name,
        "a",
        "no name",
    ),
    ("<img alt=\"To the end\"", "Go <img", Fault::Alt, "img", "alternative text"),
    ("<ul id=\"list\"", "<ul id=\"end\"", Fault::Id, "ul#end", "is not alone"),
    (" lang=\"en\"", "", Fault::Language, "html", "no lang"),
    ("<h1>Agents</h1>", "<h2>Agents</h2>", Fault::Heading, "h1", "there are 0"),
    ("<p id=\"end\">", "<h1>Again</h1><p id=\"end\">", Fault::Heading, "h1", "there are 2"),
    ("width=device-width", "", Fault::Viewport, "meta", "device-width"),
    (
        "#595959",
        "#999",
        Fault::Contrast,
        "p.quiet \"None so far\"",
        "#999999 on #ffffff: 2.84:1, and needs 4.5:1",
    ),
    // The colour differs from the one behind the text.
    (
        ".quiet { color: #595959 }",
        ".quiet { background: oklch(0 0 0) }",
        Fault::Contrast,
        "p.quiet",
        "#000000 on #000000",
    ),
    // Half-transparent black on white is grey. The opacity counts as well.
    ("#595959", "rgb(0 0 0 / 40%)", Fault::Contrast, "p.quiet", "#999999 on #ffffff"),
    ("#595959", "#000; opacity: .4", Fault::Contrast, "p.quiet", "#999999 on #ffffff"),
    ("#595959", "#000; background: linear-gradient(red, blue)", Fault::Contrast, "p.quiet", "on an image"),
    // The background of a text may belong to an ancestor.
    (
        "font: 16px",
        "color: #767676; background: #f5f5f5; font: 16px",
        Fault::Contrast,
        "p#end",
        "#767676 on #f5f5f5",
    ),
    (
        "<p id=\"end\">",
        "<p id=\"end\" style=\"width: 1900px\">",
        Fault::Overflow,
        "p#end",
        "pixels wide, the window 1280",
    ),
];

#[docker_test]
async fn only_the_planted_fault_is_found() -> Result<()> {
    let browser = Browser::start().await?;
    for (good, bad, fault, element, detail) in PLANTED {
        let found = findings(&browser, &planted(good, bad)).await?;
        ensure!(
            found.iter().any(|one| one.fault == *fault
                && one.element.starts_with(element)
                && one.detail.contains(detail)),
            "{bad:?} was not found; found: {found:?}"
        );
        ensure!(found.iter().all(|one| one.fault == *fault), "{bad:?} made more of it: {found:?}");
    }
    Ok(())
}

#[docker_test]
async fn harmless_variants_have_no_findings() -> Result<()> {
    let browser = Browser::start().await?;
    for (good, harmless) in [
        ("<label for=\"name\">Name</label> <input", "<label>Name <input"),
        ("<label for=\"name\">Name</label> <input", "<b id=\"b\">Name</b> <input aria-labelledby=\"b\""),
        ("type=\"button\">Add<", "type=\"button\" aria-label=\"Add\">+<"),
        ("alt=\"To the end\"", "alt=\"To the end\" style=\"opacity: .1\""),
        ("#595959", "#949494; font-size: 24px"),
        ("#595959", "#949494; font-size: 19px; font-weight: bold"),
        ("#595959", "#999; display: none"),
        ("#595959", "#000; background: rgb(255 255 255 / 50%)"),
        (
            "<p id=\"end\">",
            "<div style=\"overflow: auto\"><pre style=\"width: 1900px\"></pre></div><p id=\"end\">",
        ),
    ] {
        let found = findings(&browser, &planted(good, harmless)).await?;
        ensure!(found.is_empty(), "{harmless:?}: {found:?}");
    }
    Ok(())
}

#[docker_test]
async fn the_failure_names_the_page_and_each_finding() -> Result<()> {
    let (server, browser) = open_page(&planted(" lang=\"en\"", "").replace("<h1>", "<h2>")).await?;
    let error = browser.expect_accessible().await.expect_err("it has faults").to_string();
    let expected = format!(
        "{} is not for everybody:\n  Language: html: has no lang\n  Heading: h1: there are 0 of it, and not one",
        server.url()
    );
    ensure!(error == expected, "{error}");
    Ok(())
}
