//! Archives of unknown origin: an import takes little memory and reports the fault.

use anyhow::{Result, ensure};
use hermes_harness::{docker_test, secs};

use crate::support::setting_up::idle;

/// Returns a header of tar(5) that extends the next header and declares `size` bytes.
fn header(kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0_u8; 512];
    block[..13].copy_from_slice(b"././@LongLink");
    for (at, text) in [(100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (136, "00000000000\0")] {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[148..156].copy_from_slice(b"        ");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar  \0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[docker_test]
async fn headers_that_declare_gigabytes_cost_no_memory() -> Result<()> {
    let container = idle().memory(128 << 20).start_ready().await?;
    // The headers of GNU long names and long links, of pax and of pax global.
    for kind in [b'L', b'K', b'x', b'g'] {
        let header = header(kind, 3 << 30);
        let script = "(cat; head -c 400M /dev/zero) | gzip -1 >/tmp/hostile.tgz; hermes profile import /tmp/hostile.tgz --name x";
        let output = container.exec_sh(script).stdin(header).deadline(secs(60)).await?.code(1);
        let kind = char::from(kind);
        ensure!(
            output.stderr().contains("a header in it is longer than 64 KiB"),
            "{}",
            output.report(&format!("{kind}"))
        );
        ensure!(output.stderr().len() < 1000, "{}", output.report("a short message"));
    }
    ensure!(!container.state().await?.oom_killed);
    container.exec(["test", "!", "-e", "/opt/data/profiles/x"]).await?.success();
    Ok(())
}

#[docker_test]
async fn an_export_is_never_refused_by_an_import() -> Result<()> {
    let container = idle().start_ready().await?;
    let deep = "hermes profile create coder; cd /opt/data/profiles/coder; mkdir -p $(printf 'd/%.0s' $(seq 62)); \
        hermes profile export coder -o /tmp/coder.tgz && hermes profile import /tmp/coder.tgz --name copy";
    container.exec_sh(deep).deadline(secs(60)).await?.success();
    let deeper = "cd /opt/data/profiles/coder; mkdir -p $(printf 'd/%.0s' $(seq 70)); hermes profile export coder -o /tmp/deeper.tgz";
    let refused = container.exec_sh(deeper).await?.code(1);
    ensure!(refused.stderr().contains("lies too deep"), "{}", refused.report("the reason"));
    container.exec(["test", "!", "-e", "/tmp/deeper.tgz"]).await?.success();
    Ok(())
}
