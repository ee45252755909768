//! The reader of vendors' pages, and of the tokens that callers send back: no bytes panic.
#![no_main]

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use ligand::hub::bookmark::Bookmark;
use ligand::hub::page::{Found, Page};

fuzz_target!(|input: (&str, &str, Vec<&str>)| {
    let (body, root, pointers) = input;
    let (headers, mut items) = (HeaderMap::new(), 0_usize);
    let page = Page::read(body, &headers, root, &mut |scanner| {
        items += 1;
        scanner.value().map(drop)
    });
    if let Ok(page) = page {
        assert!(page.found == Found::List || items == 0);
        for pointer in pointers {
            let told = ligand::catalog::paging::Told::Body(pointer.to_owned());
            let _ = (page.told(&told), page.is_so(&told), page.address(&told));
        }
    }
    if let Ok(bookmark) = Bookmark::read(root, "") {
        assert_eq!(Bookmark::read(&bookmark.write(""), "").ok(), Some(bookmark));
    }
});
