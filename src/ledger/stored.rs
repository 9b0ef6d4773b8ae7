//! The stored forms of what a posting holds beside series: flows, positions, families, declarations.

use super::{About, Declared};
use crate::base::pack::{Damaged, Pack, Packed};
use crate::model::batch::{Position, Witness};
use crate::model::family::Family;
use crate::model::refused::{Refusals, Refused};
use crate::pipeline::Flow;

/// More of anything than this in one list is damage.
pub(super) const MANY: usize = 1 << 20;

pub(super) fn put_flow(flow: &Flow, into: &mut Vec<u8>) {
    into.put_number(flow.events);
    into.put_number(flow.bytes);
    put_refusals(&flow.source, into);
    put_refusals(&flow.decode, into);
    into.put_number(flow.stages.len() as u64);
    for (refused, filtered) in &flow.stages {
        put_refusals(refused, into);
        into.put_number(*filtered);
    }
    into.put_number(flow.metrics.len() as u64);
    flow.metrics.iter().for_each(|refused| put_refusals(refused, into));
}

pub(super) fn flow(from: &mut Packed<'_>) -> Result<Flow, Damaged> {
    Ok(Flow {
        events: from.number()?,
        bytes: from.number()?,
        source: refusals(from)?,
        decode: refusals(from)?,
        stages: list(from, |from| Ok((refusals(from)?, from.number()?)))?,
        metrics: list(from, refusals)?,
    })
}

/// By the names of reasons: their numbers are not the same for ever.
fn put_refusals(refused: &Refusals, into: &mut Vec<u8>) {
    into.put_number(refused.iter().count() as u64);
    for (reason, times) in refused.iter() {
        into.put_text(reason.reason());
        into.put_number(times);
    }
}

fn refusals(from: &mut Packed<'_>) -> Result<Refusals, Damaged> {
    let mut refused = Refusals::default();
    for (name, times) in list(from, |from| Ok((from.text()?, from.number()?)))? {
        // A reason that this program does not know any more is shown nowhere.
        if let Some(reason) = Refused::ALL.into_iter().find(|reason| reason.reason() == name) {
            refused.add(reason, times);
        }
    }
    Ok(refused)
}

pub(super) fn put_position(key: &str, position: Option<Position>, into: &mut Vec<u8>) {
    into.put_text(key);
    let Some(Position { offset, witness }) = position else { return into.push(0) };
    into.push(1);
    into.put_number(offset);
    into.put_number(witness.len.into());
    if witness.len > 0 {
        into.extend_from_slice(&witness.hash.to_le_bytes());
    }
}

pub(super) fn position<'b>(from: &mut Packed<'b>) -> Result<(&'b str, Option<Position>), Damaged> {
    let key = from.text()?;
    if from.byte()? == 0 {
        return Ok((key, None));
    }
    let offset = from.number()?;
    let len = from.size(u32::MAX as usize)? as u32;
    let hash = if len > 0 { fixed(from)? } else { 0 };
    Ok((key, Some(Position { offset, witness: Witness { len, hash } })))
}

pub(super) fn put_about(about: &About, into: &mut Vec<u8>) {
    [&about.name, &about.source, &about.reads].into_iter().for_each(|text| into.put_text(text));
    put_texts(&about.stages, into);
}

pub(super) fn about(from: &mut Packed<'_>) -> Result<About, Damaged> {
    Ok(About { name: owned(from)?, source: owned(from)?, reads: owned(from)?, stages: list(from, owned)? })
}

/// A family and what it is declared as. The type of the family follows from the kind that is declared.
pub(super) fn put_metric(family: &Family, declared: &Declared, into: &mut Vec<u8>) {
    into.put_text(&family.name);
    into.put_text(&family.help);
    put_texts(family.unit.as_slice(), into);
    put_texts(&family.labels, into);
    into.put_text(&declared.kind);
    into.put_text(&declared.options);
    into.extend_from_slice(&declared.fingerprint.to_le_bytes());
}

pub(super) fn metric(from: &mut Packed<'_>) -> Result<(Family, Declared), Damaged> {
    let (name, help) = (owned(from)?, owned(from)?);
    let (unit, labels) = (list(from, owned)?.pop(), list(from, owned)?);
    let declared = Declared { kind: owned(from)?, options: owned(from)?, fingerprint: fixed(from)? };
    let kind = declared.kind().ok_or(Damaged("it has a metric of a kind that this version does not know"))?;
    Ok((Family { name, help, unit, kind: kind.family, labels }, declared))
}

fn put_texts(texts: &[String], into: &mut Vec<u8>) {
    into.put_number(texts.len() as u64);
    texts.iter().for_each(|text| into.put_text(text));
}

fn owned(from: &mut Packed<'_>) -> Result<String, Damaged> {
    Ok(from.text()?.to_owned())
}

fn fixed(from: &mut Packed<'_>) -> Result<u128, Damaged> {
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = from.byte()?;
    }
    Ok(u128::from_le_bytes(bytes))
}

/// So many values as a number says, one after the other.
pub(super) fn list<'b, T>(
    from: &mut Packed<'b>,
    mut read: impl FnMut(&mut Packed<'b>) -> Result<T, Damaged>,
) -> Result<Vec<T>, Damaged> {
    (0..from.size(MANY)?).map(|_| read(from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_comes_back_with_all_that_it_counted() {
        let mut refused = Refusals::default();
        refused.add(Refused::Overflow, 3);
        let wanted = Flow {
            events: 10,
            bytes: u64::MAX,
            source: refused.clone(),
            decode: Refusals::default(),
            stages: vec![(refused.clone(), 7), Default::default()],
            metrics: vec![Refusals::default(), refused],
        };
        let mut packed = Vec::new();
        put_flow(&wanted, &mut packed);
        let mut from = Packed::new(&packed);
        assert_eq!(flow(&mut from), Ok(wanted));
        assert!(from.is_empty());
    }

    #[test]
    fn a_position_comes_back_with_its_witness() {
        let positions = [
            None,
            Some(Position::default()),
            Some(Position { offset: u64::MAX, witness: Witness { len: 1024, hash: u128::MAX - 1 } }),
        ];
        for wanted in positions {
            let mut packed = Vec::new();
            put_position("a key", wanted, &mut packed);
            let mut from = Packed::new(&packed);
            assert_eq!(position(&mut from), Ok(("a key", wanted)));
            assert!(from.is_empty());
        }
    }
}
