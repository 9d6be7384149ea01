//! The budget, and the stored responses of repeated requests.

use super::*;

const DAY: &str = "2026-11-28";

#[tokio::test]
async fn running_calls_count_against_the_budget() {
    let bench = Bench::new();
    let owner = bench.owner();
    let limit = Limit { tokens: Some(100), usd: None };
    let first = bench.store.reserve(&owner, DAY, 60, 0.0, limit).await.unwrap();
    match bench.store.reserve(&owner, DAY, 41, 0.0, limit).await {
        Err(ReserveError::Exhausted { used, .. }) => assert_eq!((used.tokens, used.reserved_tokens), (0, 60)),
        reserved => panic!("{reserved:?}"),
    }
    bench.store.settle(first, 30, 0.25).await.unwrap();
    let second = bench.store.reserve(&owner, DAY, 70, 0.0, limit).await.unwrap();
    bench.store.settle(second, 71, 0.5).await.unwrap();
    let used = bench.store.used(DAY).await.unwrap();
    assert_eq!(used, Used { tokens: 101, usd: 0.75, reserved_tokens: 0, reserved_usd: 0.0 });
    assert_eq!(bench.store.used("2026-11-29").await.unwrap(), Used::default());
    let refused = bench.store.reserve(&owner, DAY, 0, 0.1, Limit { tokens: None, usd: Some(0.8) }).await;
    assert!(matches!(refused, Err(ReserveError::Exhausted { .. })), "{refused:?}");
}

#[tokio::test]
async fn reservation_ends_with_its_process() {
    let bench = Bench::new();
    let limit = Limit { tokens: Some(100), usd: None };
    let (owner, dead) = (bench.owner(), bench.owner());
    let _reserved = bench.store.reserve(&dead, DAY, 100, 0.0, limit).await.unwrap();
    assert!(bench.store.reserve(&owner, DAY, 1, 0.0, limit).await.is_err());
    drop(dead);
    let _reserved = bench.store.reserve(&owner, DAY, 100, 0.0, limit).await.unwrap();
}

#[tokio::test]
async fn repeated_request_gets_the_stored_response() {
    let bench = Bench::new();
    let owner = bench.owner();
    assert_eq!(bench.store.begin_request(&owner, "key", "one").await.unwrap(), Request::New);
    assert_eq!(bench.store.begin_request(&owner, "key", "one").await.unwrap(), Request::Running);
    assert_eq!(bench.store.begin_request(&owner, "key", "two").await.unwrap(), Request::Mismatch);
    bench.store.finish_request("key", "{}").await.unwrap();
    bench.store.forget_request("key").await.unwrap();
    let bench = bench.reopen();
    let done = Request::Done { response: "{}".into() };
    assert_eq!(bench.store.begin_request(&owner, "key", "one").await.unwrap(), done);
}

#[tokio::test]
async fn request_of_a_dead_process_runs_again() {
    let bench = Bench::new();
    let owner = bench.owner();
    assert_eq!(bench.store.begin_request(&owner, "key", "one").await.unwrap(), Request::New);
    drop(owner);
    assert_eq!(bench.store.begin_request(&bench.owner(), "key", "one").await.unwrap(), Request::New);
}

#[tokio::test]
async fn old_responses_are_forgotten() {
    let bench = Bench::new();
    let owner = bench.owner();
    bench.store.begin_request(&owner, "key", "one").await.unwrap();
    bench.store.finish_request("key", "{}").await.unwrap();
    bench
        .store
        .write("age the response", |transaction| {
            Ok(transaction.execute("UPDATE idempotency SET at = at - 86400001", [])?)
        })
        .await
        .unwrap();
    assert_eq!(bench.store.begin_request(&owner, "key", "two").await.unwrap(), Request::New);
}
