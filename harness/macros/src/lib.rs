//! `#[docker_test]`: makes an async function a test of the container suites.

mod declaration;
mod expansion;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

use declaration::Declaration;

/// Registers an `async fn name() -> Result<()>` as a test.
///
/// The attribute leaves the function as it is, so that a suite can call it too.
///
/// # Cases
///
/// `#[case(…)]` works as in `rstest`: each one is a test of its own, with its own result, evidence and limit.
///
/// ```ignore
/// #[docker_test]
/// #[case::of_root("root", 0)]
/// #[case::of_the_account("app", 10000)]
/// async fn a_command_runs_as(#[case] account: &str, #[case] uid: u32) -> Result<()> {
/// ```
///
/// registers `module::a_command_runs_as::of_root` and `module::a_command_runs_as::of_the_account`. A case without a name
/// is `case_1`, `case_2`, … by its place among all cases. A value is an expression of the parameter's type. It is
/// evaluated when the test starts and lives as long as the test: a literal or a constant does, a reference to a
/// temporary value does not.
///
/// # Tests that exclude each other
///
/// `#[serial(key, …)]` works as in `serial_test`: tests that share a key never run at the same time in one process. The
/// time that a test waits for its keys does not count as its own. `#[serial(machine)]` excludes every other test: for a
/// test that measures time. Such tests run last.
///
/// Write both below `#[docker_test]`, which reads them; they need no import.
#[proc_macro_attribute]
pub fn docker_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let declaration = Declaration::parse(arguments.into(), function);
    declaration.map_or_else(syn::Error::into_compile_error, |declaration| expansion::of(&declaration)).into()
}
