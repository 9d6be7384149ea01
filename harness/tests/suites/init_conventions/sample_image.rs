//! The image of an author who builds on ours: services of both trees, oneshots, bundles, a logger, scripts.
//!
//! Services print to the forwarder's pipe, so the order of their lines is the order of the events. The command and the scripts
//! print to the container's own stream, and `web` prints to its logger: their lines may come sooner or later. So each part
//! also writes its state to a file. The command, the last script and `database` print the states that they find.

use anyhow::Result;
use hermes_harness::{Container, ContainerBuilder, DerivedImage, ImageBuilder};

const DEFINITIONS: &str = "/etc/s6-overlay/s6-rc.d";

const SCRIPT: &str = "#!/bin/sh\necho 'own script: runs'\n";

const FINISH_SCRIPT: &str =
    "#!/bin/sh\ncd /opt/data; echo \"own finish: runs with clock $(cat clock), migrate $(cat migrate)\"\n";

/// Prints its name, its new state and its account: `oneshot NAME STATE`.
const ONESHOT: &str =
    "#!/bin/sh\nprintf '%s: %s as %s\\n' \"$1\" \"$2\" \"$(id -un)\"; echo \"$2\" >\"/opt/data/$1\"\n";

/// Reports on descriptor 3 that it is ready, half a second after its start.
const DATABASE: &str = "#!/command/with-contenv sh\n\
    echo 'database: begins'\n\
    sleep infinity & child=$!\n\
    trap 'echo \"database: told with web $(cat /opt/data/web)\"; kill $child; sleep 0.2; echo \"database: down\"; exit 0' TERM\n\
    sleep 0.5; echo 'database: ready'; echo >&3\n\
    wait\n";

/// Reads a file beside its `run`, and prints to its logger.
const WEB: &str = "#!/bin/sh\n\
    echo up >/opt/data/web\n\
    sleep infinity & child=$!\n\
    trap 'kill $child; sleep 0.2; echo down >/opt/data/web; echo \"web: down\"; exit 0' TERM\n\
    printf 'web: up, %s\\n' \"$(cat data/greeting)\"\n\
    wait\n";

const WEB_LOGGER: &str =
    "#!/bin/sh\nwhile read -r line; do printf 'logged by %s: %s\\n' \"$(id -un)\" \"$line\"; done\n";

/// Records its arguments, which describe the end of the service.
const WEB_FINISH: &str =
    "#!/bin/sh\nprintf 'web: finish %s %s %s\\n' \"$1\" \"$2\" \"$3\" >>/opt/data/finished\n";

const CLOCK: &str = "#!/bin/sh\n\
    printf 'clock: up as %s\\n' \"$(id -un)\"\n\
    sleep infinity & child=$!\n\
    trap 'kill $child; echo \"clock: down\"; echo down >/opt/data/clock; exit 0' TERM\n\
    wait\n";

/// The definitions of the services: path, mode, content.
const SERVICES: [(&str, u32, &str); 35] = [
    // The services of root: clock, after its oneshot.
    ("system/type", 0o644, "bundle\n"),
    ("system/contents.d/clock", 0o644, ""),
    ("set-clock/type", 0o644, "oneshot\n"),
    ("set-clock/up", 0o644, "oneshot set-clock up\n"),
    ("clock/type", 0o644, "longrun\n"),
    ("clock/run", 0o755, CLOCK),
    ("clock/dependencies.d/set-clock", 0o644, ""),
    // The services of the account, in a bundle: migrate, then database, then web, then report.
    ("user/contents.d/application", 0o644, ""),
    ("application/type", 0o644, "bundle\n"),
    ("application/contents.d/web", 0o644, ""),
    ("application/contents.d/report", 0o644, ""),
    ("application/contents.d/spare", 0o644, ""),
    ("migrate/type", 0o644, "oneshot\n"),
    ("migrate/dependencies.d/base", 0o644, ""),
    (
        "migrate/up",
        0o644,
        "# a comment, as execline knows them\nforeground { oneshot migrate first }\noneshot migrate up\n",
    ),
    ("migrate/down", 0o644, "oneshot migrate down\n"),
    ("database/type", 0o644, "longrun\n"),
    ("database/run", 0o755, DATABASE),
    ("database/notification-fd", 0o644, "3\n"),
    ("database/dependencies.d/migrate", 0o644, ""),
    ("web/type", 0o644, "longrun\n"),
    ("web/run", 0o755, WEB),
    ("web/finish", 0o755, WEB_FINISH),
    ("web/data/greeting", 0o644, "hello"),
    ("web/log/run", 0o755, WEB_LOGGER),
    ("web/dependencies.d/database", 0o644, ""),
    ("report/type", 0o644, "oneshot\n"),
    ("report/up", 0o644, "oneshot report up\n"),
    ("report/down", 0o644, "oneshot report down\n"),
    ("report/dependencies.d/web", 0o644, ""),
    // A service that is defined but not started.
    ("spare/type", 0o644, "longrun\n"),
    ("spare/run", 0o755, "#!/bin/sh\necho 'spare: up'\nexec sleep infinity\n"),
    ("spare/down", 0o644, ""),
    // A service in no started bundle.
    ("unused/type", 0o644, "longrun\n"),
    ("unused/run", 0o755, "#!/bin/sh\necho 'unused: up'\nexec sleep infinity\n"),
];

/// Builds the image from ours.
pub(super) async fn sample_image() -> Result<DerivedImage> {
    let scripts = ImageBuilder::new()
        .file("/usr/local/bin/oneshot", 0o755, ONESHOT)
        .file("/etc/cont-init.d/50-own", 0o755, SCRIPT)
        .file("/etc/cont-finish.d/50-own", 0o755, FINISH_SCRIPT);
    let image = SERVICES.iter().fold(scripts, |builder, (path, mode, content)| {
        builder.file(&format!("{DEFINITIONS}/{path}"), *mode, *content)
    });
    Ok(image.build().await?)
}

/// Returns a container with the same files. It starts sooner than a derived image.
pub(super) fn planted() -> ContainerBuilder {
    let scripts = Container::builder()
        .file("/usr/local/bin/oneshot", 0o755, ONESHOT)
        .file("/etc/cont-init.d/50-own", 0o755, SCRIPT)
        .file("/etc/cont-finish.d/50-own", 0o755, FINISH_SCRIPT);
    SERVICES.iter().fold(scripts, |builder, (path, mode, content)| {
        builder.file(&format!("{DEFINITIONS}/{path}"), *mode, *content)
    })
}
