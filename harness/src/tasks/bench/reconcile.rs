//! `reconcile`: what the boot spends on each profile, all of them on tmpfs.
//!
//! Boot reconciliation is called as the boot calls it, on an empty scan directory, in a container whose init is bypassed:
//! so nothing supervises, and what is measured is that program from its start to its end.

use anyhow::Result;
use hermes_harness::Container;

use super::Bed;
use super::profiles::{milliseconds, plant};
use super::table::Row;

const TARGET_US: f64 = 50.0;

const RECONCILE: &str = r#"rm -rf /run/service; mkdir /run/service
before=$(date +%s%N); hermes container reconcile; after=$(date +%s%N)
slots=$(ls /run/service | wc -l)
if [ "$slots" -ne $(($1 + 1)) ]; then echo "$slots slots" >&2; exit 1; fi
echo $((after - before))"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for profiles in [1_000_u32, 10_000] {
        let container = Container::builder()
            .docker(&bed.docker)
            .image(&bed.image)
            .entrypoint(["sleep", "infinity"])
            .init()
            .tmpfs("/run", "exec,mode=1777")
            .env("HERMES_HOME", "/run/data")
            .start()
            .await?;
        plant(&container, profiles as usize, profiles as usize / 2).await?;
        let count = profiles.to_string();
        let mut figures = Vec::new();
        // The first run warms up and is not counted.
        for run in 0..=bed.pairs {
            let took = milliseconds(&container, &["sh", "-c", RECONCILE, "sh", &count]).await?;
            if run > 0 {
                figures.push(took * 1e3 / f64::from(profiles));
            }
        }
        container.remove().await?;
        rows.push(Row::fixed(
            "reconcile",
            format!("a profile's slot at boot, of {profiles}, on tmpfs"),
            "µs",
            figures,
            TARGET_US,
        ));
    }
    Ok(rows)
}
