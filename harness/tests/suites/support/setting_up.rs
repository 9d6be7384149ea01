//! What the suites of the set-up at boot share: volumes as somebody left them, what the set-up said, whose things are.

use anyhow::{Result, ensure};
use hermes_harness::{Container, ContainerBuilder, ExecRequest, Look, Output, Volume, secs};

use crate::support::own_services::OwnServices;

/// A container in which nothing runs but what it supervises.
pub(crate) fn idle() -> ContainerBuilder {
    Container::builder().cmd(["sleep", "infinity"])
}

/// Additions to a container whose volume somebody else had before.
pub(crate) trait LeftBehind {
    /// A script that root runs in `HERMES_HOME` ahead of the set-up, at the first boot alone.
    fn left_behind(self, script: &str) -> Self;
}

impl LeftBehind for ContainerBuilder {
    fn left_behind(self, script: &str) -> Self {
        let script = format!(
            "#!/command/with-contenv sh\nset -eu\n[ ! -e /root/left-behind ] || exit 0\n: >/root/left-behind\n\
             cd \"$HERMES_HOME\"\n{script}\n"
        );
        self.init_script("00-left-behind", &script)
    }
}

/// Runs a script as root on a volume, which lies at `/volume`, in a container that is none of Hermes's; what it printed.
pub(crate) async fn on_volume(volume: &Volume, script: &str) -> Result<String> {
    let builder = Container::builder().volume(volume, "/volume").workdir("/volume").user("root");
    let builder = builder.entrypoint(["bash", "-euc", script]);
    Ok(builder.run(Vec::<String>::new()).await?.success().stdout())
}

/// The set-up as the kernel starts it for the script of the boot, with the script's path behind it. As `hermes container setup`
/// it would leave root first, as every `hermes` does that an operator types.
pub(crate) const SET_UP: [&str; 2] = ["/opt/hermes/docker/verbs/setup", "/etc/cont-init.d/01-hermes-setup"];

/// The set-up once more, as the boot runs it: as root.
pub(crate) fn set_up(container: &Container) -> ExecRequest<'_> {
    container.exec(SET_UP).as_root()
}

/// What the set-up said in all boots of a container, a line each.
pub(crate) async fn said(container: &Container) -> Result<Vec<String>> {
    let (_, stderr) = container.logs().await?;
    Ok(words_of(&stderr))
}

/// Waits until what the set-up said in all boots is as it should be: the engine may take a line a moment after it was
/// written.
pub(crate) async fn until_said(
    container: &Container,
    what: &str,
    as_it_should_be: impl Fn(&[String]) -> bool,
) -> Result<()> {
    let said = async |container: &Container| {
        let words = said(container).await?;
        Ok(Look::holds(as_it_should_be(&words), || format!("{words:#?}")))
    };
    Ok(container.wait_until(format!("the set-up said {what}"), said, secs(10)).await?)
}

/// Waits until it has said these lines, in this order, and nothing else.
pub(crate) async fn has_said(container: &Container, expected: &[&str]) -> Result<()> {
    until_said(container, &format!("{expected:#?}"), |words| words == expected).await
}

/// The lines of the set-up, without its name.
fn words_of(stderr: &str) -> Vec<String> {
    stderr.lines().filter_map(|line| line.strip_prefix("hermes-setup: ")).map(str::to_owned).collect()
}

/// Says nothing but these lines, in whatever order.
pub(crate) fn says(output: &Output, expected: &[&str]) -> Result<()> {
    let mut words: Vec<_> = output.stderr().lines().map(str::to_owned).collect();
    let mut expected: Vec<_> = expected.iter().map(|line| format!("hermes-setup: {line}")).collect();
    words.sort_unstable();
    expected.sort_unstable();
    ensure!(words == expected, "{}", output.report(&format!("on standard error {expected:#?}")));
    Ok(())
}

/// Whose the things at these paths are, `path uid:gid mode` each, relative to `directory`.
pub(crate) async fn owners(container: &Container, directory: &str, paths: &[&str]) -> Result<Vec<String>> {
    let command = [&["stat", "-c", "%n %u:%g %a", "--"], paths].concat();
    // As root, who may look everywhere.
    let output = container.exec(command).as_root().workdir(directory).await?.success();
    Ok(output.stdout().lines().map(str::to_owned).collect())
}

/// Everything about the things below some directories that a change of any kind would leave a trace in, content and the
/// kernel's own note of the last change (`ctime`, which nobody can set) included.
pub(crate) const EVERYTHING: &str = r#"everything() {
    find "$@" -printf '%p %y %l %U:%G %m %n links, %s bytes, made %T@ changed %C@\n' | sort
    find "$@" -type f -exec sha256sum {} + | sort
}
"#;
