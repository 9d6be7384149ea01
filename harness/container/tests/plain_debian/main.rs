//! The example of `container-harness`: tests of an image that has nothing to do with the rest of this repository, a
//! plain Debian with a shell script as its entry point.
//!
//! Copy it to test an image of your own:
//!
//! 1. Make a test target without libtest's `main`. In `Cargo.toml`:
//!
//!    ```toml
//!    [[test]]
//!    name = "image"
//!    path = "tests/image/main.rs"
//!    harness = false
//!    ```
//!
//! 2. State the image in a [`Product`], as below, and give it to [`suite::main`].
//! 3. Write tests. Each is an `async fn` with `#[docker_test]`.
//!
//! `cargo test --test image` builds the image once and runs the tests in parallel. `cargo nextest run` works, too. With
//! `MYIMAGE_TEST_IMAGE=tag` the same tests run on another image, and nothing is built. When a test fails, its message
//! names a folder with logs, processes and files of its containers.
//!
//! Here, `cargo xtask docker-test --suites plain-debian` runs this file.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use bollard::Docker;
use bollard::models::PortBinding;
use container_harness::error::BoxError;
use container_harness::identity::start_ticks;
use container_harness::image::{Context, Debian, Progress, build_context};
use container_harness::probe::log_says;
use container_harness::product::{Building, Probing};
use container_harness::{
    Container, ImageSource, Layout, Look, Product, Readiness, Volume, docker_test, secs, suite,
};
use predicates::str::contains;

/// The result of a test. Any error is a failure, and so is a panic.
type Result<T = ()> = std::result::Result<T, BoxError>;

/// All that the harness has to know about the image.
static PRODUCT: Product = Product {
    // Containers are called `plain-debian-test-…`. Two products on one engine never touch each other's things.
    name: "plain-debian",
    // The variables are `PLAIN_DEBIAN_TEST_IMAGE`, `PLAIN_DEBIAN_KEEP`, …
    variables: "PLAIN_DEBIAN",
    // An image that another tool builds is `ImageSource::Named("my/image:dev")`.
    image: ImageSource::Built(build),
    layout: &Layout {
        user: "app",
        readiness: Readiness::Probe(is_ready),
        s6: None,
        evidence_files: &["/run/app/ready", "/srv/starts"],
    },
    target: concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"),
    clean_up: None,
};

fn main() -> ExitCode {
    suite::main(&PRODUCT)
}

/// Builds the image from the Dockerfile beside this file, and returns its name.
///
/// The base image comes from a registry. Where none can be reached, the harness makes the same image from Debian's
/// packages with mmdebstrap.
fn build(docker: Docker) -> Building {
    const TAG: &str = "plain-debian:test";
    Box::pin(async move {
        let progress = Progress::new();
        let base = Debian::slim("trixie").settle(&docker, false, &progress).await?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plain_debian");
        let mut context = Context::new(&folder)?;
        context.add(Path::new("Dockerfile"))?;
        context.add(Path::new("entry-point.sh"))?;
        let arguments = HashMap::from([("BASE".to_owned(), base.name().to_owned())]);
        build_context(&docker, context.finish()?, TAG, &arguments, &progress).await?;
        Ok(TAG.to_owned())
    })
}

/// Tells whether the entry point is ready: it has written the start time of PID 1.
///
/// A probe answers with a value, with "not yet" and the thing that it saw instead, or with "never" and the reason. The
/// error of a wait shows the last answer.
fn is_ready(container: &Container) -> Probing<'_> {
    Box::pin(async move {
        let marks = container.exec_sh("cat /run/app/ready; cat /proc/1/stat").await?.either_way();
        let text = marks.stdout();
        let Some((ready, stat)) = text.split_once('\n') else {
            return Ok(Look::NotYet(marks.report("a mark of readiness")));
        };
        let is_of_this_start = start_ticks(stat).is_some_and(|ticks| ready == ticks.to_string());
        Ok(Look::holds(is_of_this_start, || format!("the mark of an earlier start: {ready}")))
    })
}

/// A command runs as the layout's account. A test that needs root asks for it, where a reader sees it.
#[docker_test]
async fn commands_run_as_the_account_of_the_image() -> Result {
    let container = Container::builder().start_ready().await?;
    container.exec(["id", "-un"]).await?.success().stdout_is("app");
    container.exec(["touch", "/etc/x"]).await?.failure();
    container.exec(["touch", "/etc/x"]).as_root().await?.success();
    Ok(())
}

/// Each `#[case]` is a test of its own: `the_exit_code_is_the_containers::of_false`, …
#[docker_test]
#[case::of_true(&["true"], 0)]
#[case::of_false(&["false"], 1)]
#[case::of_a_script(&["sh", "-c", "exit 42"], 42)]
async fn the_exit_code_is_the_containers(#[case] command: &[&str], #[case] code: i64) -> Result {
    let output = Container::builder().run(command.iter().copied()).await?.code(code);
    output.stdout_matches(contains("start 1 of this volume"));
    Ok(())
}

/// Faults are methods, too. The container goes when its handle does, also after a panic.
#[docker_test]
async fn sigterm_ends_the_entry_point_at_once() -> Result {
    let container = Container::builder().start_ready().await?;
    container.stop_within(secs(10)).await?;
    let state = container.state().await?;
    assert_eq!(state.exit_code, 0, "{state:?}");
    assert!(container.log().await?.ends_with("goodbye\n"), "{}", container.log().await?);
    Ok(())
}

/// `ready` waits for this start. The mark of the first one is still there after the restart.
#[docker_test]
async fn a_restart_counts_as_a_start() -> Result {
    let container = Container::builder().start_ready().await?;
    container.restart().await?;
    container.ready().await?;
    container.wait_until("the second start", log_says("start 2 of this volume"), secs(10)).await?;
    Ok(())
}

/// A volume lives as long as its handle and every container that mounts it.
#[docker_test]
async fn a_volume_keeps_the_count_for_the_next_container() -> Result {
    let volume = Volume::new().await?;
    for start in 1..=3 {
        let run = Container::builder().volume(&volume, "/srv").run(["true"]).await?.success();
        run.stdout_is(&format!("start {start} of this volume"));
    }
    Ok(())
}

/// Tests that share one thing name it. Both cases publish one port of this machine, so they take turns; other tests go on.
#[docker_test]
#[serial(port_of_the_host)]
#[case::the_first("one")]
#[case::the_second("two")]
async fn one_container_at_a_time_has_a_port_of_the_host(#[case] host_name: &str) -> Result {
    // The engine's API can say more than the builder: `tune`. A test that lets the engine choose the port (`publish`)
    // needs no turn.
    let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some("47613".to_owned()) };
    let container = Container::builder().hostname(host_name).tune(|body, host| {
        body.exposed_ports = Some(vec!["80/tcp".to_owned()]);
        host.port_bindings = Some(HashMap::from([("80/tcp".to_owned(), Some(vec![binding]))]));
    });
    let container = container.start_ready().await?;
    container.exec(["hostname"]).await?.success().stdout_is(host_name);
    Ok(())
}
