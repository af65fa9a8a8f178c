// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is kept of a BMC between two connections.
//!
//! # Guarantees
//! What BMCs of one model have in common is kept once for all of them, and so are warnings that are
//! worded alike. Of its own a BMC has what tells it from the others: serial number, SKU, UUID, what was
//! in its slots, and the ETags that it showed last. That is some hundred bytes.

use std::sync::Arc;

use super::layout::Layout;
use super::shelf::{Common, Shelf};
use crate::contract::discovered::Discovered;
use crate::contract::image::MediaUrl;
use crate::contract::warning::Warning;
use crate::operate::memory::Memory;
use crate::rules::Rules;

static MAKES: Common<Make> = Common::new(Shelf::new);
static WARNINGS: Common<Vec<Warning>> = Common::new(Shelf::new);

/// What was found, and how to act on it. Kept by a caller that reconnects often, so that a
/// sweep need not discover again.
#[derive(Clone, Debug)]
pub struct Discovery {
    make: Arc<Make>,
    warnings: Arc<Vec<Warning>>,
    own: Own,
    /// What earlier reads saw; shared by all that take this discovery up.
    pub(crate) memory: Arc<Memory>,
}

/// What BMCs that are alike have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Make {
    rules: Rules,
    layout: Layout,
    /// Without what is one BMC's own, and without warnings.
    report: Discovered,
}

/// What tells a BMC from others that are alike.
#[derive(Clone, Debug)]
struct Own {
    serial: Option<Box<str>>,
    sku: Option<Box<str>>,
    uuid: Option<Box<str>>,
    contents: Box<[Content]>,
}

/// What a slot showed.
#[derive(Clone, Debug)]
struct Content {
    /// The slot, by its place in the report.
    slot: usize,
    inserted: bool,
    image: Option<MediaUrl>,
}

impl Discovery {
    pub(crate) fn new(mut found: Discovered, rules: Rules, mut layout: Layout) -> Self {
        let contents = found
            .media
            .iter_mut()
            .enumerate()
            .filter(|(_, shown)| shown.inserted || shown.image.is_some())
            .map(|(slot, shown)| Content {
                slot,
                inserted: std::mem::take(&mut shown.inserted),
                image: shown.image.take(),
            })
            .collect();
        let boxed = |text: &mut Option<String>| text.take().map(String::into_boxed_str);
        let own = Own {
            serial: boxed(&mut found.serial),
            sku: boxed(&mut found.sku),
            uuid: boxed(&mut found.uuid),
            contents,
        };
        let warnings = WARNINGS.share(std::mem::take(&mut found.warnings));
        layout.forget_contents();
        Self {
            make: MAKES.share(Make { rules, layout, report: found }),
            warnings,
            own,
            memory: Arc::default(),
        }
    }

    /// For people and plans.
    pub fn discovered(&self) -> Discovered {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let mut found = Discovered {
            serial: text(&self.own.serial),
            sku: text(&self.own.sku),
            uuid: text(&self.own.uuid),
            warnings: self.warnings.to_vec(),
            ..self.make.report.clone()
        };
        for content in &self.own.contents {
            let slot = &mut found.media[content.slot];
            (slot.inserted, slot.image) = (content.inserted, content.image.clone());
        }
        found
    }

    /// The rules that hold for this BMC.
    pub fn rules(&self) -> Rules {
        self.make.rules
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.make.layout
    }

    /// The same, knowing what was learned since an `earlier` one about the BMC's ETags. Another
    /// firmware has to prove itself anew.
    #[must_use]
    pub fn remembering(&self, earlier: &Self) -> Self {
        let (now, before) = (&*self.make, &*earlier.make);
        let same = now.report.firmware == before.report.firmware
            && now.rules == before.rules
            && now.layout.has_the_places_of(&before.layout);
        let memory = if same { &earlier.memory } else { &self.memory };
        Self { memory: Arc::clone(memory), ..self.clone() }
    }

    /// Bytes that are this BMC's alone, and whether everything else is another one's, too. For tests.
    pub(crate) fn weighed_beside(&self, other: &Self) -> (usize, bool) {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let contents = self.own.contents.iter().map(|content| {
            size_of::<Content>() + content.image.as_ref().map_or(0, |image| image.expose().len())
        });
        let own = size_of::<Self>()
            + [&self.own.serial, &self.own.sku, &self.own.uuid].into_iter().map(text).sum::<usize>()
            + contents.sum::<usize>();
        let shared = Arc::ptr_eq(&self.make, &other.make) && Arc::ptr_eq(&self.warnings, &other.warnings);
        let (memory, shares_parts) = self.memory.weighed_beside(&other.memory);
        (own + memory, shared && shares_parts)
    }
}
