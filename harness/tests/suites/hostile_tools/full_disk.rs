//! A workspace and a temporary directory without room.

use anyhow::{Result, ensure};
use hermes_harness::docker_test;
use serde_json::json;

use crate::support::driving::ready_pid;

use super::scene::{ATTACKER, Scene, Surface};

/// The sentence of the kernel.
const FULL: &str = "No space left on device";

#[docker_test]
async fn a_full_disk_is_a_clear_result() -> Result<()> {
    let scene = Scene::start_with("127.0.0.1:1", |builder| {
        let small = "size=256k,uid=10000,gid=10000,mode=0700";
        builder.tmpfs("/opt/data/profiles/coder/workspace", small).tmpfs("/tmp", "size=256k,mode=1777")
    })
    .await?;
    let pid = ready_pid(&scene.container, ATTACKER).await?;
    for surface in [Surface::Chat, Surface::Gateway] {
        let kept = "one line\n";
        let large = "x".repeat(400 << 10);
        let calls = [
            ("write_file", json!({ "path": "kept", "content": kept })),
            ("write_file", json!({ "path": "large", "content": large })),
            ("terminal", json!({ "command": "head -c 1M /dev/zero >fill; echo the end" })),
            ("terminal", json!({ "command": "head -c 1M /dev/zero >$TMPDIR/fill; echo the end" })),
            (
                "patch",
                json!({ "mode": "replace", "path": "kept", "old_string": "line", "new_string": large }),
            ),
            ("read_file", json!({ "path": "kept" })),
        ];
        let results = scene.turn(surface, ATTACKER, &calls).await?;
        ensure!(results[0].contains("created kept"), "{results:#?}");
        for index in [1, 2, 3, 4] {
            ensure!(results[index].contains(FULL), "{surface:?}: {:?}: {}", calls[index].0, results[index]);
        }
        ensure!(results[2].contains("the end") && results[3].contains("the end"), "{results:#?}");
        ensure!(results[5].contains("1|one line"), "the file is as before: {results:#?}");
        // The next question gets an answer. A write that failed left nothing of itself.
        let result = scene.command(surface, ATTACKER, "ls -A; rm -f fill kept $TMPDIR/fill").await?;
        ensure!(result.contains("fill") && result.contains("kept"), "{result}");
        ensure!(!result.contains("large") && !result.contains("tmp"), "{result}");
        let result = scene.command(surface, ATTACKER, "echo again >new && cat new && rm new").await?;
        ensure!(result.contains("again") && result.contains("[exit code 0]"), "{result}");
    }
    ensure!(ready_pid(&scene.container, ATTACKER).await? == pid, "the gateway is another process");
    Ok(())
}
