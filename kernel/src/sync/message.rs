//! Whether a message of a peer is one: looked at before anything is done with its numbers.
//!
//! A message is a version byte and ranges: the upper bound of each (timestamp and prefix of an id), its
//! mode, and a fingerprint or a list of ids. Whatever a number in it says, no more is taken or
//! reserved than there are bytes.

use super::set::ITEM;

/// Version 1 of the protocol.
pub const VERSION: u8 = 0x61;
const FINGERPRINT: usize = 16;
/// The bytes of the longest number of 64 bits.
const LONGEST_NUMBER: usize = 10;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends within a range.
    Short,
    /// A number has more than 64 bits.
    Number,
    /// The prefix in a bound is longer than an id.
    Bound,
    /// The bounds do not rise.
    Order,
    /// A mode that the protocol does not know.
    Mode,
    /// It is of another protocol.
    Version,
}

impl Fault {
    /// What to tell about it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Short => "a sync message ends within a range",
            Self::Number => "a number in a sync message has more than 64 bits",
            Self::Bound => "a bound in a sync message is longer than an id",
            Self::Order => "the ranges of a sync message do not rise",
            Self::Mode => "a range in a sync message has an unknown mode",
            Self::Version => "a sync message is not one of Negentropy version 1",
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], Fault> {
        let count = usize::try_from(count).map_err(|_| Fault::Short)?;
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of seven bits a byte, the greatest first.
    fn number(&mut self) -> Result<u64, Fault> {
        let mut value: u64 = 0;
        for _ in 0..LONGEST_NUMBER {
            let byte = self.take(1)?[0];
            if value >> 57 != 0 {
                return Err(Fault::Number);
            }
            value = value << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Number)
    }
}

/// Checks a whole message. Of another version only the first byte is looked at.
pub fn check(message: &[u8]) -> Result<(), Fault> {
    let (&version, ranges) = message.split_first().ok_or(Fault::Short)?;
    if !(0x60..=0x6f).contains(&version) {
        return Err(Fault::Version);
    }
    if version != VERSION {
        return Ok(());
    }
    let mut reader = Reader(ranges);
    let (mut timestamp, mut former) = (0_u64, (0_u64, [0; ITEM]));
    while !reader.0.is_empty() {
        let step = reader.number()?;
        timestamp = match step {
            0 => u64::MAX,
            _ => timestamp.saturating_add(step - 1),
        };
        let length = reader.number()?;
        if length > ITEM as u64 {
            return Err(Fault::Bound);
        }
        let mut prefix = [0; ITEM];
        prefix[..length as usize].copy_from_slice(reader.take(length)?);
        if (timestamp, prefix) < former {
            return Err(Fault::Order);
        }
        former = (timestamp, prefix);
        match reader.number()? {
            0 => {}
            1 => drop(reader.take(FINGERPRINT as u64)?),
            2 => {
                let count = reader.number()?;
                reader.take(count.checked_mul(ITEM as u64).ok_or(Fault::Short)?)?;
            }
            _ => return Err(Fault::Mode),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ranges: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![VERSION];
        ranges.iter().for_each(|range| out.extend_from_slice(range));
        out
    }

    #[test]
    fn what_is_well_formed_passes() {
        let list = [&[0, 0, 2, 2][..], &[7; 64]].concat();
        assert_eq!(check(&[VERSION]), Ok(()));
        assert_eq!(check(&message(&[&[5, 0, 0], &[1, 1, 9, 0], &list])), Ok(()));
        let fingerprint = [&[0, 0, 1][..], &[1; 16]].concat();
        assert_eq!(check(&message(&[&fingerprint])), Ok(()));
        // Of another version nothing is known.
        assert_eq!(check(&[0x62, 9, 9, 9]), Ok(()));
    }

    #[test]
    fn counts_beyond_the_message_are_refused() {
        let greatest = [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let over = [0xff; 10];
        for (number, fault) in [(&greatest, Fault::Short), (&over, Fault::Number)] {
            let ranges = [&[0, 0, 2][..], number].concat();
            assert_eq!(check(&message(&[&ranges])), Err(fault));
        }
        for count in [1_u8, 2, 127] {
            let ranges = [&[0, 0, 2, count][..], &[7; 31]].concat();
            assert_eq!(check(&message(&[&ranges])), Err(Fault::Short));
        }
    }

    #[test]
    fn each_other_fault_has_its_name() {
        assert_eq!(check(&[]), Err(Fault::Short));
        assert_eq!(check(&[0x41]), Err(Fault::Version));
        assert_eq!(check(&message(&[&[0, 33]])), Err(Fault::Bound));
        assert_eq!(check(&message(&[&[0, 4, 1, 2]])), Err(Fault::Short));
        assert_eq!(check(&message(&[&[0, 0, 3]])), Err(Fault::Mode));
        assert_eq!(check(&message(&[&[0, 0]])), Err(Fault::Short));
        assert_eq!(check(&message(&[&[0, 0, 1, 1]])), Err(Fault::Short));
        let falling: [&[u8]; 2] = [&[2, 1, 9, 0], &[1, 1, 8, 0]];
        assert_eq!(check(&message(&falling)), Err(Fault::Order));
    }
}
