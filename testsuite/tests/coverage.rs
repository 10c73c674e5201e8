//! `docs/instructions.md` is made from the rows and from the record of the oracle's long run. `BLESS=1` writes it anew.

use std::path::Path;

use hoist_testsuite::coverage;

#[test]
fn the_page_is_what_the_rows_say() {
    let page = coverage::page().expect("the record is there");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/instructions.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let different = || written.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert!(written == page, "docs/instructions.md is old; BLESS=1 writes it anew. First: {:?}", different());
}
