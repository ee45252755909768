//! The walk through a vendor's list, one for all ways of paging: whatever size the vendor's pages have, every object comes once. What
//! comes next is read off each page, and where a call ends is a [`Bookmark`].

use super::bookmark::{Bookmark, LONGEST_POSITION, Position};
use super::json::{Scanner, pointer, text_of};
use super::page::{Found, Page, Places, Unusable};
use super::paging::{Listed, MOST_VENDOR_PAGES, Reply, Wanted, too_deep, too_far};
use super::shape::{Shape, Workspace};
use super::taking::{Taking, unwrapped};
use crate::catalog::paging::{Paging, PagingStyle};
use crate::catalog::resource::Operation;
use crate::kernel::error::ApiError;

/// Pages that are looked at before the one at which a call before this one ended.
const MOST_STEPS_BACK: usize = 3;

/// A list being read.
pub struct Walk<'a> {
    operation: &'a Operation,
    /// Where an object has its id.
    id: &'a str,
    fingerprint: String,
    /// The page that is asked for next.
    mark: Bookmark,
    /// Where the next call begins if that page has anything: it is asked for to know that alone.
    peeked_from: Option<Bookmark>,
    skip: usize,
    missing: usize,
    asked: usize,
    pages: usize,
    stepped_back: usize,
    /// Objects that an earlier call gave out may still come, and some came.
    seeking: bool,
    has_found: bool,
    listed: Listed,
}

/// A page of which nothing is left.
struct Read<'t> {
    page: Page<'t>,
    /// Objects on it, and those of them that were new.
    count: usize,
    fresh: usize,
    last: Option<&'t str>,
    /// It is the one before once more.
    is_repeated: bool,
}

/// What follows a page of the vendor's that was read to its end.
enum Next {
    End,
    Sure(Position),
    /// Only asking tells.
    Maybe(Position),
}

impl<'a> Walk<'a> {
    pub fn new(wanted: Wanted, operation: &'a Operation, id: &'a str, fingerprint: String) -> Result<Self, ApiError> {
        let paging = operation.paging.as_ref();
        let (mut mark, mut skip) = (wanted.from.fitting(paging)?, wanted.skip);
        if let Some(paging) = paging {
            match (&paging.style, &mark.at) {
                // Skipping costs nothing where the vendor counts.
                (PagingStyle::Offset { .. }, Position::Start) => {
                    mark = Bookmark { told: skip, ..Bookmark::at(Position::Offset(skip)) };
                    skip = 0;
                }
                (PagingStyle::Page { first, .. }, Position::Start) => {
                    let size = within(paging, skip.saturating_add(wanted.size));
                    mark = Bookmark::at(Position::Page { number: *first, size });
                }
                _ => {}
            }
            // A first page may be short; one by its number must be whole, or the next one leaves something out.
            let pages = skip.saturating_add(wanted.size).div_ceil(paging.largest.max(1));
            if skip > 0 && pages > MOST_VENDOR_PAGES {
                return Err(too_far());
            }
            if let Some(deepest) = paging.deepest.filter(|deepest| mark.told.saturating_add(skip) >= *deepest) {
                return Err(too_deep(deepest));
            }
        }
        Ok(Self {
            operation,
            id,
            fingerprint,
            seeking: mark.passed > 0 && !mark.seen.is_empty(),
            has_found: false,
            mark,
            peeked_from: None,
            skip,
            missing: wanted.size,
            asked: 0,
            pages: 0,
            stepped_back: 0,
            listed: Listed { text: "[".to_owned(), ..Listed::default() },
        })
    }

    /// Where the vendor has to begin, and how many objects it is asked for.
    pub fn ask(&mut self) -> (&Position, usize) {
        let Some(paging) = &self.operation.paging else { return (&self.mark.at, 0) };
        if let Position::Page { size, .. } = &self.mark.at {
            self.asked = *size;
            return (&self.mark.at, self.asked);
        }
        // Where the vendor does not say whether there is more, one more object tells.
        let says = paging.more().is_some() || paging.last.is_some() || paging.total.is_some();
        let beyond = usize::from(matches!(paging.style, PagingStyle::Offset { .. }) && !says);
        let wanted = [self.mark.passed, self.skip, self.missing, beyond].into_iter().fold(0, usize::saturating_add);
        let left =
            paging.deepest.map(|deepest| deepest.saturating_sub(self.mark.told.saturating_sub(self.mark.passed)));
        self.asked = within(paging, wanted.min(left.unwrap_or(wanted)));
        (&self.mark.at, self.asked)
    }

    /// Takes a page of the vendor's. True: another page has to be asked for.
    ///
    /// # Errors
    /// It is not what the element says.
    pub fn take(&mut self, reply: &Reply<'_>, shape: &Shape<'_>) -> Result<bool, Unusable> {
        self.pages = self.pages.saturating_add(1);
        if self.missing > 0 {
            self.listed.text.reserve(shape.room(reply.body));
        }
        let item = self.operation.item.as_deref();
        let root = &self.operation.root;
        let (mut items, mut start, mut is_repeated) = (Vec::new(), self.mark.passed, false);
        let mut read = None;
        if !self.mark.seen.is_empty() {
            // What is done only the whole page tells.
            read = Some(Page::read(reply.body, reply.headers, root, &mut |scanner| {
                items.push(unwrapped(scanner.value()?, item)?);
                Some(())
            })?);
            start = if !self.seeking {
                is_repeated = self.mark.is_repeated_by(&items, self.id);
                if is_repeated { items.len() } else { 0 }
            } else if let Some((done, is_latest)) = self.mark.done_on(&items, self.id) {
                (self.seeking, self.has_found) = (!is_latest, true);
                done
            } else if self.step_back(items.len()) {
                return Ok(true);
            } else {
                // Rather an object twice than one lost.
                0
            };
        }
        let mut taking = Taking {
            item: item.filter(|_| read.is_none()),
            start,
            skip: self.skip,
            missing: self.missing,
            first: self.listed.returned == 0,
            count: 0,
            done: 0,
            given: Vec::new(),
            last: None,
            space: Workspace::default(),
            out: &mut self.listed.text,
        };
        let page = match read {
            Some(page) => {
                for item in items {
                    taking.take(&mut Scanner::new(item), shape).ok_or("has an item that is no JSON")?;
                }
                page
            }
            None => Page::read(reply.body, reply.headers, root, &mut |scanner| taking.take(scanner, shape))?,
        };
        if page.found == Found::Other || (page.found != Found::List && page.speaks_of_failure()) {
            return Err("has no list where the element says");
        }
        let Taking { skip, missing, count, done, given, last, .. } = taking;
        let done = done.max(start.min(count));
        let fresh = done.saturating_sub(start);
        self.listed.returned = self.listed.returned.saturating_add(self.missing.saturating_sub(missing));
        (self.skip, self.missing) = (skip, missing);
        if count > 0 && done == 0 && self.peeked_from.is_some() {
            let mark = self.peeked_from.take();
            mark.inspect(|mark| self.token(mark));
            return Ok(false);
        }
        self.peeked_from = None;
        self.mark.told = self.mark.told.saturating_add(fresh);
        let Some(paging) = &self.operation.paging else {
            self.listed.total = Some(count.to_string());
            if done < count {
                self.rest_on_page(done, &given);
            }
            return Ok(false);
        };
        if let Some(total) = paging.total.as_ref().and_then(|to| page.told(to)) {
            self.listed.total = Some(total).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        }
        if done < count {
            match (&paging.style, last) {
                // Behind an object there is nothing to pass over.
                (PagingStyle::LastId { at, .. }, Some(last)) => {
                    let at = self.behind(at.as_deref(), last)?;
                    self.token(&Bookmark { told: self.mark.told, ..Bookmark::at(at) });
                }
                _ => self.rest_on_page(done, &given),
            }
            return Ok(false);
        }
        let read = Read { page, count, fresh, last, is_repeated };
        let next = self.successor(paging, &read, &reply.places)?;
        Ok(self.go_on(paging, next, &read, &given))
    }

    /// The objects that were given out may have moved to the page before. `count`: how many are on this one.
    fn step_back(&mut self, count: usize) -> bool {
        if self.has_found || self.stepped_back >= MOST_STEPS_BACK {
            return false;
        }
        let first = match self.operation.paging.as_ref().map(|paging| &paging.style) {
            Some(PagingStyle::Page { first, .. }) => *first,
            _ => 0,
        };
        let back = match &self.mark.at {
            Position::Offset(offset) if *offset > 0 => {
                let step = if count > 0 { count } else { self.asked.max(1) };
                Position::Offset(offset.saturating_sub(step))
            }
            Position::Page { number, size } if *number > first => {
                Position::Page { number: number.saturating_sub(1), size: *size }
            }
            _ => return false,
        };
        self.stepped_back = self.stepped_back.saturating_add(1);
        self.mark.at = back;
        true
    }

    /// What follows a page of which nothing is left.
    fn successor(&self, paging: &Paging, read: &Read<'_>, places: &Places<'_>) -> Result<Next, Unusable> {
        let page = &read.page;
        let flag = paging.more().and_then(|to| page.is_so(to));
        let flag = flag.or_else(|| Some(!page.is_so(paging.last.as_ref()?)?));
        if flag == Some(false) || read.is_repeated {
            let more = flag.unwrap_or_else(|| self.total().is_some_and(|total| total > self.mark.told));
            return if more { Err("is the page before once more, and says that there is more") } else { Ok(Next::End) };
        }
        // A full page may have a next one, a short one may be all that the vendor gives at once. Only an empty one is the end.
        let counted = |next: Position| match flag {
            Some(_) => Next::Sure(next),
            None if read.count == 0 => Next::End,
            None if read.count >= self.asked => Next::Sure(next),
            None => Next::Maybe(next),
        };
        Ok(match (&paging.style, &self.mark.at) {
            (PagingStyle::Cursor { next, .. }, at) => {
                let cursor = page.cursor(next).map(bounded).transpose()?;
                self.named(at, cursor.map(Position::Cursor), flag, read.fresh)?
            }
            (PagingStyle::Address { next }, at) => {
                let address = page.address(next).map(|told| places.kept(&told).and_then(bounded)).transpose()?;
                self.named(at, address.map(Position::Address), flag, read.fresh)?
            }
            (PagingStyle::Offset { .. }, Position::Offset(offset)) => {
                // Where there is more although nothing came, what was asked for was passed over at the vendor.
                let passed = if read.count == 0 { self.asked.max(1) } else { read.count };
                let end = offset.saturating_add(passed);
                match self.total() {
                    Some(total) if flag.is_none() && end >= total => Next::End,
                    Some(_) if flag.is_none() => Next::Sure(Position::Offset(end)),
                    _ => counted(Position::Offset(end)),
                }
            }
            (PagingStyle::Page { first, pages, .. }, Position::Page { number, size }) => {
                let pages = pages.as_ref().and_then(|to| page.told(to)?.parse::<usize>().ok());
                let next = number.saturating_add(1);
                let position = Position::Page { number: next, size: *size };
                match pages {
                    Some(pages) if flag.is_none() && next.saturating_sub(*first) >= pages => Next::End,
                    Some(_) if flag.is_none() => Next::Sure(position),
                    _ => counted(position),
                }
            }
            (PagingStyle::LastId { at, .. }, _) => match read.last {
                Some(last) => counted(self.behind(at.as_deref(), last)?),
                None if flag == Some(true) => return Err("says that there is more, and has nothing to go on from"),
                None => Next::End,
            },
            _ => Next::End,
        })
    }

    /// Of vendors that name the next page themselves.
    fn named(&self, at: &Position, next: Option<Position>, flag: Option<bool>, fresh: usize) -> Result<Next, Unusable> {
        match next {
            // A vendor that repeats itself would be asked forever.
            Some(next) if next == *at && fresh == 0 => Ok(Next::End),
            Some(next) => Ok(Next::Sure(next)),
            None if flag == Some(true) && !self.is_at_depth() => Err("says that there is more, and not where"),
            None => Ok(Next::End),
        }
    }

    fn behind(&self, at: Option<&str>, object: &str) -> Result<Position, Unusable> {
        let id = pointer(object, at.unwrap_or(self.id)).and_then(text_of);
        let id = id.ok_or("has an object without what the next page follows")?;
        bounded(id).map(Position::Behind)
    }

    fn total(&self) -> Option<usize> {
        self.listed.total.as_ref()?.parse().ok()
    }

    /// Goes on where something is missing, or where nobody knows whether more is there.
    fn go_on(&mut self, paging: &Paging, next: Next, read: &Read<'_>, given: &[&str]) -> bool {
        let (position, sure) = match next {
            Next::Sure(position) => (position, true),
            Next::Maybe(position) => (position, false),
            Next::End => {
                // Where a vendor ends because it gives out no more, the end is told and not passed off as one.
                if self.is_at_depth() && self.total().is_none_or(|total| total > self.mark.told) {
                    self.token(&self.mark.clone());
                }
                return false;
            }
        };
        let told = self.mark.told;
        let mut remembering =
            Bookmark { at: position.clone(), passed: 0, seen: std::mem::take(&mut self.mark.seen), told };
        let counts = matches!(paging.style, PagingStyle::Offset { .. } | PagingStyle::Page { .. });
        if counts {
            remembering.remember(given, self.id);
        } else if matches!(paging.style, PagingStyle::LastId { .. }) || position == self.mark.at {
            // One is enough to know the same page again.
            remembering.seen.clear();
            remembering.remember(given.last().map_or(&[], std::slice::from_ref), self.id);
        } else if !self.seeking {
            // Another cursor is the vendor's own word that nothing comes twice.
            remembering.seen.clear();
        }
        // Behind a page that is counted, the next call looks once more at what this one gave out last: what was made or deleted in
        // front of it meanwhile has moved the pages.
        let resting = match (&position, &self.mark.at) {
            (Position::Offset(end), _) if !remembering.seen.is_empty() => {
                Bookmark { at: Position::Offset(end.saturating_sub(1)), passed: 1, ..remembering.clone() }
            }
            (Position::Page { .. }, at) if !remembering.seen.is_empty() && read.count > 0 => {
                Bookmark { at: at.clone(), passed: read.count, ..remembering.clone() }
            }
            _ => remembering.clone(),
        };
        let wanted = self.missing > 0 || !sure;
        if wanted && self.pages < MOST_VENDOR_PAGES && !self.is_at_depth() {
            self.peeked_from = (self.missing == 0).then_some(resting);
            self.mark = remembering;
            return true;
        }
        self.token(&resting);
        false
    }

    /// Whether the vendor gives out no more of this list.
    fn is_at_depth(&self) -> bool {
        let deepest = self.operation.paging.as_ref().and_then(|paging| paging.deepest);
        deepest.is_some_and(|deepest| self.mark.told >= deepest)
    }

    /// The next call begins on the same page of the vendor's.
    fn rest_on_page(&mut self, done: usize, given: &[&str]) {
        let mut mark = Bookmark { passed: done, ..self.mark.clone() };
        mark.remember(given, self.id);
        if let (Position::Offset(offset), 2..) = (&mark.at, done) {
            mark.at = Position::Offset(offset.saturating_add(done).saturating_sub(1));
            mark.passed = 1;
        }
        self.token(&mark);
    }

    fn token(&mut self, mark: &Bookmark) {
        let is_bounded = self.operation.paging.as_ref().is_some_and(|paging| paging.deepest.is_some());
        let told = if is_bounded { mark.told } else { 0 };
        self.listed.next = Some(Bookmark { told, ..mark.clone() }.write(&self.fingerprint));
    }

    /// The page, once nothing more has to be asked for.
    pub fn finish(mut self) -> Result<Listed, ApiError> {
        // Pages that are shorter than asked for: what was wanted lies further on than a call goes.
        if self.skip > 0 && self.listed.next.is_some() {
            return Err(too_far());
        }
        self.listed.text.push(']');
        Ok(self.listed)
    }
}

fn bounded(text: String) -> Result<String, Unusable> {
    if text.len() > LONGEST_POSITION { Err("names its next page by more than 8,192 bytes") } else { Ok(text) }
}

/// How many objects are asked for where so many are wanted.
fn within(paging: &Paging, wanted: usize) -> usize {
    if paging.size.is_none() { paging.largest } else { wanted.max(paging.smallest).min(paging.largest).max(1) }
}
