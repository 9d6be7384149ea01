//! Attacks of a model through its tools, in a real container. Each fails, and the model learns the reason.
//!
//! An attack runs in the sandbox of an agent: by `hermes chat` and by a supervised gateway. The same commands run outside of the sandbox
//! as a control. There they succeed, so no attack fails for another reason than the sandbox.

mod approvals;
mod files;
mod full_disk;
mod leftovers;
mod names;
mod network;
mod own_limits;
mod processes;
mod scene;
mod system_calls;
mod without_landlock;
