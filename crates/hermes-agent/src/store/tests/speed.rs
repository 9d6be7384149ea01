//! The speed of a large database.

use std::time::Instant;

use super::*;

/// Prints times for 10,000 sessions of 100 messages. Run it with the release profile:
/// `cargo test --release -p hermes-agent speed -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "it writes a million messages"]
async fn search_and_opening_meet_their_limits() {
    let bench = Bench::new();
    let words: Vec<String> =
        (0..20_000_u32).map(|n| format!("w{:x}", n.wrapping_mul(2_654_435_761) >> 12)).collect();
    let mut seed = 1_u64;
    let mut word = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Half of all words are among few, as in a language.
        let most = if seed >> 63 == 0 { 200 } else { 20_000 };
        words[usize::try_from((seed >> 33) % most).unwrap()].clone()
    };
    let begun = Instant::now();
    for number in 0..10_000 {
        let new = NewSession {
            title: Some(format!("session {number}")),
            system: vec!["prompt ".repeat(1000)],
            ..NewSession::default()
        };
        let id = bench.store.create_session(new).await.unwrap();
        let texts: Vec<String> =
            (0..100).map(|_| (0..30).map(|_| word()).collect::<Vec<_>>().join(" ")).collect();
        let write = move |transaction: &rusqlite::Transaction<'_>| {
            for (index, text) in texts.iter().enumerate() {
                let message = if index % 2 == 0 { user(text) } else { assistant(text) };
                message::append(transaction, &id, None, &message::NewMessage::of(&message))?;
            }
            Ok(())
        };
        bench.store.write("fill the database", write).await.unwrap();
    }
    let bytes = std::fs::metadata(bench.path()).unwrap().len();
    println!("filled in {:?}, {} MiB", begun.elapsed(), bytes >> 20);
    let bench = timed("open after a clean end", async || bench.reopen()).await;
    let common = bench.store.search("wfffff", 1).await.unwrap();
    assert_eq!(common, []);
    let sample = bench.store.latest(None).await.unwrap().unwrap();
    let sample = bench.store.messages(&sample, 0, 1).await.unwrap()[0].message.plain_text();
    let terms: Vec<&str> = sample.split(' ').collect();
    for query in
        [terms[0].to_owned(), terms[..3].join(" "), "w".into(), "w1".into(), "w12".into(), sample.clone()]
    {
        let hits =
            timed(&format!("search {query:.40}"), async || bench.store.search(&query, 20).await.unwrap())
                .await;
        assert!(!hits.is_empty(), "{query}");
    }
    timed("list 20", async || {
        bench.store.list(Filter { limit: Some(20), ..Filter::default() }).await.unwrap()
    })
    .await;
    timed("list all", async || bench.store.list(Filter::default()).await.unwrap()).await;
    timed("open the last session", async || {
        let id = bench.store.latest(None).await.unwrap().unwrap();
        (bench.store.session(&id).await.unwrap(), bench.store.conversation(&id).await.unwrap())
    })
    .await;
    timed("stats", async || bench.store.stats().await.unwrap()).await;
    // A copy of the open files is the state after a kill.
    let copy = tempfile::tempdir().unwrap();
    let _ = bench.session().await;
    for end in ["", "-wal"] {
        let name = format!("{FILE}{end}");
        std::fs::copy(bench.folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    timed("open after a kill", async || Store::open(&copy.path().join(FILE)).unwrap()).await;
}

async fn timed<T>(name: &str, work: impl AsyncFnOnce() -> T) -> T {
    let begun = Instant::now();
    let value = work().await;
    println!("{name}: {:?}", begun.elapsed());
    value
}
