//! The objects of one of the vendor's pages: those that are done, those that a caller wants, those that are left.

use super::json::{Scanner, pointer, separate};
use super::shape::{Shape, Workspace};

/// The objects of one page as they are taken.
pub struct Taking<'t, 'o> {
    /// Where an item has its object.
    pub item: Option<&'o str>,
    /// How many are done already.
    pub start: usize,
    pub skip: usize,
    pub missing: usize,
    pub first: bool,
    pub count: usize,
    pub done: usize,
    /// As the vendor wrote them.
    pub given: Vec<&'t str>,
    /// The last one that was given out or passed over.
    pub last: Option<&'t str>,
    pub space: Workspace<'t>,
    pub out: &'o mut String,
}

impl<'t> Taking<'t, '_> {
    pub fn take(&mut self, scanner: &mut Scanner<'t>, shape: &Shape<'_>) -> Option<()> {
        let at = self.count;
        self.count = at.checked_add(1)?;
        if at < self.start {
            return scanner.value().map(drop);
        }
        if self.skip > 0 {
            self.skip -= 1;
            self.done = self.count;
            self.last = Some(unwrapped(scanner.value()?, self.item)?);
            return Some(());
        }
        if self.missing == 0 {
            return scanner.value().map(drop);
        }
        separate(self.out, &mut self.first);
        self.missing -= 1;
        self.done = self.count;
        if self.item.is_some() {
            let object = unwrapped(scanner.value()?, self.item)?;
            self.given.push(object);
            self.last = Some(object);
            return shape.write(&mut Scanner::new(object), &mut self.space, self.out);
        }
        let mark = scanner.mark();
        shape.write(scanner, &mut self.space, self.out)?;
        self.last = scanner.since(mark);
        self.given.push(self.last?);
        Some(())
    }
}

/// The object of an item.
pub fn unwrapped<'t>(item: &'t str, at: Option<&str>) -> Option<&'t str> {
    at.map_or(Some(item), |at| pointer(item, at))
}
