//! Each page by the rules of axe-core, in both colour schemes. WebDriver runs its script, so the policy of the page stays in force.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use hermes_harness::suite::not_run;
use hermes_harness::{Browser, PRODUCT, docker_test};
use tokio::process::Command;

use super::every_page::{PAGES, with_agents};

/// Prints the path of `axe.min.js` of the first package that is installed.
const FIND: &str = "import importlib.util as u, pathlib, sys
for name in ('axe_playwright_python', 'axe_core_python'):
    spec = u.find_spec(name)
    if spec:
        found = list(pathlib.Path(spec.submodule_search_locations[0]).glob('**/axe.min.js'))
        if found:
            print(found[0]); sys.exit(0)
sys.exit(1)";

/// Returns the source of axe-core. Without it the test is not run, or fails with `HERMES_NEED_CLIENTS=1`.
async fn source() -> Result<String> {
    let found = Command::new("python3").args(["-c", FIND]).stderr(Stdio::null()).output().await;
    let Some(found) = found.ok().filter(|output| output.status.success()) else {
        let reason = "Python has no axe_core_python: pip install -r .ci/requirements.txt";
        return match PRODUCT.setting("NEED_CLIENTS") {
            Some(_) => bail!("{reason}"),
            None => Err(not_run(reason).into()),
        };
    };
    let path = String::from_utf8(found.stdout)?;
    std::fs::read_to_string(path.trim()).with_context(|| format!("failed to read {path}"))
}

const RUN: &str = "return axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations.flatMap((rule) => \
    rule.nodes.map((node) => rule.id + ': ' + node.target.join(' ') + ': ' + node.failureSummary)))";

#[docker_test]
async fn axe_finds_nothing_on_any_page() -> Result<()> {
    let axe = source().await?;
    let dash = with_agents().await?;
    let browser = Browser::builder().reduced_motion().start().await?;
    let mut found: Vec<String> = Vec::new();
    let mut check = async |page: &str| -> Result<()> {
        browser.goto(&dash.url(page)).await?;
        browser.wait_for("main h1").await?;
        browser.execute(&axe).await?;
        for (width, dark) in [(1280, false), (1280, true), (390, false), (390, true)] {
            browser.resize(width, 800).await?;
            browser.prefer_dark(dark).await?;
            let violations: Vec<String> = browser.evaluate(RUN).await?;
            let place = format!("{page} ({width} px, {})", if dark { "dark" } else { "light" });
            found.extend(violations.into_iter().map(|violation| format!("{place}: {violation}")));
        }
        Ok(())
    };
    check("/login").await?;
    dash.enter(&browser).await?;
    // A reader who wants nothing to move sees a change without an animation.
    let moves = "document.querySelector('#profiles tbody tr').classList.add('changed'); return document.getAnimations().length";
    ensure!(browser.execute(moves).await? == 0, "something moves in spite of prefers-reduced-motion");
    for page in PAGES {
        check(page).await?;
    }
    check("/nowhere").await?;
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}
