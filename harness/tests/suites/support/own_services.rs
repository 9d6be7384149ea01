//! Additions of an image author to a container: services, scripts, and programs that handle signals.

use hermes_harness::ContainerBuilder;

/// The directory of service definitions.
const DEFINITIONS: &str = "/etc/s6-overlay/s6-rc.d";

/// Prints its name and runs on. At SIGTERM it prints a line and ends with code 0.
pub(crate) const POLITE: &str = "#!/bin/sh\n\
    sleep infinity & child=$!\n\
    trap 'echo \"polite: SIGTERM\"; kill $child; exit 0' TERM\n\
    echo 'polite: up'\n\
    wait\n";

/// Runs on, and ignores SIGTERM.
pub(crate) const DEAF: &str = "#!/bin/sh\n\
    trap 'echo \"deaf: SIGTERM, so what\"' TERM\n\
    echo 'deaf: up'\n\
    while :; do sleep 0.1; done\n";

/// Prints its account.
pub(crate) const FINISH: &str = "#!/bin/sh\nprintf 'cont-finish.d as %s\\n' \"$(id -un)\"\n";

/// The output of [`FINISH`].
pub(crate) const FINISHED: &str = "cont-finish.d as root\n";

/// Additions to a container.
pub(crate) trait OwnServices {
    /// Adds a longrun of the bundle `user`, which the account `hermes` runs.
    fn user_service(self, name: &str, run: &str) -> Self;
    /// Adds a longrun of the bundle `system`, which root runs.
    fn system_service(self, name: &str, run: &str) -> Self;
    /// Adds an executable in `/etc/cont-finish.d`.
    fn finish_script(self, name: &str, content: &str) -> Self;
    /// Adds an executable in `/etc/cont-init.d`.
    fn init_script(self, name: &str, content: &str) -> Self;
}

impl OwnServices for ContainerBuilder {
    fn user_service(self, name: &str, run: &str) -> Self {
        longrun(self, name, run).file(&format!("{DEFINITIONS}/user/contents.d/{name}"), 0o644, "")
    }

    fn system_service(self, name: &str, run: &str) -> Self {
        longrun(self, name, run).file(&format!("{DEFINITIONS}/system/type"), 0o644, "bundle\n").file(
            &format!("{DEFINITIONS}/system/contents.d/{name}"),
            0o644,
            "",
        )
    }

    fn finish_script(self, name: &str, content: &str) -> Self {
        self.file(&format!("/etc/cont-finish.d/{name}"), 0o755, content)
    }

    fn init_script(self, name: &str, content: &str) -> Self {
        self.file(&format!("/etc/cont-init.d/{name}"), 0o755, content)
    }
}

fn longrun(builder: ContainerBuilder, name: &str, run: &str) -> ContainerBuilder {
    builder.file(&format!("{DEFINITIONS}/{name}/type"), 0o644, "longrun\n").file(
        &format!("{DEFINITIONS}/{name}/run"),
        0o755,
        run,
    )
}
