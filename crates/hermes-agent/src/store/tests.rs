use serde_json::value::RawValue;

use super::*;
use crate::message::{Block, Message, Opaque, Raw, Role, ToolCall};
use crate::protocol::StopReason;

#[tokio::test]
async fn dead_turn_leaves_a_sendable_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hermes.db");
    let store = Store::open(&path).unwrap().store;
    let session =
        store.create_session(NewSession { source: "chat".into(), ..Default::default() }).await.unwrap();
    let owner = Owner::claim(&path, "chat").unwrap();
    let turn = store.begin_turn(&session, &owner, Message::text(Role::User, "hello")).await.unwrap();
    let busy = store.begin_turn(&session, &owner, Message::text(Role::User, "again")).await;
    assert!(matches!(busy, Err(BeginError::Busy { .. })), "{busy:?}");
    let call = ToolCall { id: "1".into(), name: "terminal".into(), arguments: "{}".into(), extra: None };
    let message = Message { role: Role::Assistant, blocks: vec![Block::ToolCall(call)] };
    store.step(turn, vec![Change::message(message)]).await.unwrap();
    assert_eq!(store.fold_dead_turns(None).await.unwrap(), []);
    drop((owner, store));
    let store = Store::open(&path).unwrap().store;
    let folded = store.fold_dead_turns(None).await.unwrap();
    assert_eq!(folded[0].not_started, ["terminal"]);
    assert_eq!(store.conversation(&session).await.unwrap().len(), 3);
    let record = store.turn(turn).await.unwrap().unwrap();
    assert_eq!(record.reason, Some(StopReason::Died));
}

#[tokio::test]
async fn opaque_blocks_keep_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("hermes.db")).unwrap().store;
    let session = store.create_session(NewSession::default()).await.unwrap();
    let raw = Raw(RawValue::from_string(r#"{"b": 1.50, "a":1e3}"#.to_owned()).unwrap());
    let opaque = Opaque { protocol: "anthropic".into(), kind: "thinking".into(), raw };
    let blocks = vec![Block::Opaque(opaque)];
    store.queue_input(&session, Message { role: Role::Assistant, blocks }).await.unwrap();
    let taken = store.take_inputs(&session).await.unwrap();
    let [Block::Opaque(opaque)] = taken[0].message.blocks.as_slice() else { panic!("{taken:?}") };
    assert_eq!(opaque.raw.0.get(), r#"{"b": 1.50, "a":1e3}"#);
}
