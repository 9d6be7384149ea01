//! The image of somebody who builds on ours: services of both trees, oneshots, bundles, a logger, scripts.
//!
//! Its parts print what they do on the container's standard output, which is one pipe: the order of the lines is the
//! order of the events.

use std::sync::{Arc, Weak};

use anyhow::Result;
use hermes_harness::{DerivedImage, ImageBuilder};
use tokio::sync::Mutex;

const DEFINITIONS: &str = "/etc/s6-overlay/s6-rc.d";

/// Tells what it is called, and as whom: `oneshot NAME WORD`.
const ONESHOT: &str = "#!/bin/sh\nprintf '%s: %s as %s\\n' \"$1\" \"$2\" \"$(id -un)\"\n";

/// Ready half a second after its start, which it says on descriptor 3.
const DATABASE: &str = "#!/command/with-contenv sh\n\
    echo 'database: begins'\n\
    sleep infinity & child=$!\n\
    trap 'kill $child; sleep 0.2; echo \"database: down\"; exit 0' TERM\n\
    sleep 0.5; echo 'database: ready'; echo >&3\n\
    wait\n";

/// Reads a file beside its `run`; what it prints goes to its logger.
const WEB: &str = "#!/bin/sh\n\
    printf 'web: up, %s\\n' \"$(cat data/greeting)\"\n\
    sleep infinity & child=$!\n\
    trap 'kill $child; sleep 0.2; echo \"web: down\"; exit 0' TERM\n\
    wait\n";

const WEB_LOGGER: &str =
    "#!/bin/sh\nwhile read -r line; do printf 'logged by %s: %s\\n' \"$(id -un)\" \"$line\"; done\n";

/// Called with how the service ended.
const WEB_FINISH: &str =
    "#!/bin/sh\nprintf 'web: finish %s %s %s\\n' \"$1\" \"$2\" \"$3\" >>/opt/data/finished\n";

const CLOCK: &str = "#!/bin/sh\n\
    printf 'clock: up as %s\\n' \"$(id -un)\"\n\
    sleep infinity & child=$!\n\
    trap 'kill $child; echo \"clock: down\"; exit 0' TERM\n\
    wait\n";

/// One image for all tests that run at the same time; the last one that lets go of it removes it.
static SHARED: Mutex<Weak<DerivedImage>> = Mutex::const_new(Weak::new());

pub(super) async fn orchard() -> Result<Arc<DerivedImage>> {
    let mut shared = SHARED.lock().await;
    if let Some(image) = shared.upgrade() {
        return Ok(image);
    }
    let image = Arc::new(build().await?);
    *shared = Arc::downgrade(&image);
    Ok(image)
}

async fn build() -> Result<DerivedImage> {
    let mut builder = ImageBuilder::new()
        .file("/usr/local/bin/oneshot", 0o755, ONESHOT)
        .file("/etc/cont-init.d/50-own", 0o755, "#!/bin/sh\necho 'own script: runs'\n")
        .file("/etc/cont-finish.d/50-own", 0o755, "#!/bin/sh\necho 'own finish: runs'\n");
    let mut add = |path: &str, mode: u32, content: &str| {
        builder = std::mem::take(&mut builder).file(&format!("{DEFINITIONS}/{path}"), mode, content);
    };
    // root's: clock, after its oneshot.
    add("system/type", 0o644, "bundle\n");
    add("system/contents.d/clock", 0o644, "");
    add("set-clock/type", 0o644, "oneshot\n");
    add("set-clock/up", 0o644, "oneshot set-clock up\n");
    add("clock/type", 0o644, "longrun\n");
    add("clock/run", 0o755, CLOCK);
    add("clock/dependencies.d/set-clock", 0o644, "");
    // The account's: migrate, then database, then web, then report; by way of a bundle.
    add("user/contents.d/application", 0o644, "");
    add("application/type", 0o644, "bundle\n");
    add("application/contents.d/web", 0o644, "");
    add("application/contents.d/report", 0o644, "");
    add("application/contents.d/spare", 0o644, "");
    add("migrate/type", 0o644, "oneshot\n");
    add("migrate/dependencies.d/base", 0o644, "");
    add(
        "migrate/up",
        0o644,
        "# a comment, as execline knows them\nforeground { oneshot migrate first }\noneshot migrate up\n",
    );
    add("migrate/down", 0o644, "oneshot migrate down\n");
    add("database/type", 0o644, "longrun\n");
    add("database/run", 0o755, DATABASE);
    add("database/notification-fd", 0o644, "3\n");
    add("database/dependencies.d/migrate", 0o644, "");
    add("web/type", 0o644, "longrun\n");
    add("web/run", 0o755, WEB);
    add("web/finish", 0o755, WEB_FINISH);
    add("web/data/greeting", 0o644, "hello");
    add("web/log/run", 0o755, WEB_LOGGER);
    add("web/dependencies.d/database", 0o644, "");
    add("report/type", 0o644, "oneshot\n");
    add("report/up", 0o644, "oneshot report up\n");
    add("report/down", 0o644, "oneshot report down\n");
    add("report/dependencies.d/web", 0o644, "");
    // There, but not to be started.
    add("spare/type", 0o644, "longrun\n");
    add("spare/run", 0o755, "#!/bin/sh\necho 'spare: up'\nexec sleep infinity\n");
    add("spare/down", 0o644, "");
    // Of no bundle that anybody starts.
    add("unused/type", 0o644, "longrun\n");
    add("unused/run", 0o755, "#!/bin/sh\necho 'unused: up'\nexec sleep infinity\n");
    Ok(builder.build().await?)
}
