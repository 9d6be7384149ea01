//! Steps that the suites of the set-up at boot share: prepared volumes, the messages of the set-up, owners of files.

use anyhow::{Result, ensure};
use hermes_harness::{Container, ContainerBuilder, ExecRequest, Look, Output, Volume, secs};

use crate::support::own_services::OwnServices;

/// Returns a container with no processes but its supervised ones and `sleep infinity`.
pub(crate) fn idle() -> ContainerBuilder {
    Container::builder().cmd(["sleep", "infinity"])
}

/// Additions to a container whose volume was in use before.
pub(crate) trait LeftBehind {
    /// Adds a script that root runs in `HERMES_HOME` at the first boot, before the set-up.
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

/// Runs a script as root in a plain container with the volume at `/volume`, and returns its output.
pub(crate) async fn on_volume(volume: &Volume, script: &str) -> Result<String> {
    let builder = Container::builder().volume(volume, "/volume").workdir("/volume").user("root");
    let builder = builder.entrypoint(["bash", "-euc", script]);
    Ok(builder.run(Vec::<String>::new()).await?.success().stdout())
}

/// The command of the set-up as the kernel starts it for the script of the boot, with the script's path as argument.
/// The command `hermes container setup` would drop root's privileges first, as every `hermes` of an operator does.
pub(crate) const SET_UP: [&str; 2] = ["/opt/hermes/docker/verbs/setup", "/etc/cont-init.d/01-hermes-setup"];

/// Runs the set-up again as root, as the boot does.
pub(crate) fn set_up(container: &Container) -> ExecRequest<'_> {
    container.exec(SET_UP).as_root()
}

/// Returns the messages of the set-up in all boots of a container.
pub(crate) async fn said(container: &Container) -> Result<Vec<String>> {
    let (_, stderr) = container.logs().await?;
    Ok(words_of(&stderr))
}

/// Waits until the messages of the set-up in all boots fulfil a condition. The engine may get a line a moment after it
/// was written.
pub(crate) async fn until_said(
    container: &Container,
    what: &str,
    is_fulfilled: impl Fn(&[String]) -> bool,
) -> Result<()> {
    let said = async |container: &Container| {
        let words = said(container).await?;
        Ok(Look::holds(is_fulfilled(&words), || format!("{words:#?}")))
    };
    Ok(container.wait_until(format!("the set-up said {what}"), said, secs(10)).await?)
}

/// Waits until the set-up has printed exactly these lines in this order.
pub(crate) async fn has_said(container: &Container, expected: &[&str]) -> Result<()> {
    until_said(container, &format!("{expected:#?}"), |words| words == expected).await
}

/// Returns the lines of the set-up without its name.
fn words_of(stderr: &str) -> Vec<String> {
    stderr.lines().filter_map(|line| line.strip_prefix("hermes-setup: ")).map(str::to_owned).collect()
}

/// Checks that stderr has exactly these lines of the set-up, in any order.
pub(crate) fn says(output: &Output, expected: &[&str]) -> Result<()> {
    let mut words: Vec<_> = output.stderr().lines().map(str::to_owned).collect();
    let mut expected: Vec<_> = expected.iter().map(|line| format!("hermes-setup: {line}")).collect();
    words.sort_unstable();
    expected.sort_unstable();
    ensure!(words == expected, "{}", output.report(&format!("on standard error {expected:#?}")));
    Ok(())
}

/// Returns owner and mode of these paths in `directory`, each as `path uid:gid mode`.
pub(crate) async fn owners(container: &Container, directory: &str, paths: &[&str]) -> Result<Vec<String>> {
    let command = [&["stat", "-c", "%n %u:%g %a", "--"], paths].concat();
    // Root can look into every directory.
    let output = container.exec(command).as_root().workdir(directory).await?.success();
    Ok(output.stdout().lines().map(str::to_owned).collect())
}

/// Defines a shell function that lists all facts of the files below some directories, so that each change is visible.
/// The list has the content and `ctime`, the kernel's time of the last change, which no program can set.
pub(crate) const EVERYTHING: &str = r#"everything() {
    find "$@" -printf '%p %y %l %U:%G %m %n links, %s bytes, made %T@ changed %C@\n' | sort
    find "$@" -type f -exec sha256sum {} + | sort
}
"#;
