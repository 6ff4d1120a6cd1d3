//! The rules that a filter can break.

use std::fmt;

/// The first rule that a filter breaks. Numbers count elements from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// Under 8 bytes.
    TooShort,
    /// The length field is no multiple of 8, or not the number of bytes given.
    Length,
    /// Header bytes 2 to 7 are not zero.
    Reserved,
    /// An element's length byte is 0.
    ElementEmpty(usize),
    /// An element goes on behind the filter's end.
    ElementOverrun(usize),
    /// An element's bytes 2 to 7 are not zero.
    ElementReserved(usize),
    /// An element of a type that is not defined.
    ElementUnknown(usize, u8),
    /// An element's length is none that its type can have.
    ElementLength(usize),
    /// A key that is no acceptable public key.
    Key(usize),
    /// A kind with its bits 15 to 5 not clear.
    Kind(usize),
    /// A timestamp, or the timestamp of an excluded id, with its top bit set.
    Timestamp(usize),
    /// A tag shorter than 4 bytes or longer than its element.
    Tag(usize),
    /// Padding after the tags that is not zero.
    Padding(usize),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "a filter has 8 bytes at least"),
            Self::Length => write!(
                f,
                "the filter's length field is not its length, or no multiple of 8"
            ),
            Self::Reserved => write!(f, "bytes 2 to 7 of the filter are not zero"),
            Self::ElementEmpty(n) => write!(f, "element {n} of the filter has length 0"),
            Self::ElementOverrun(n) => write!(f, "element {n} goes on behind the filter's end"),
            Self::ElementReserved(n) => {
                write!(f, "bytes 2 to 7 of filter element {n} are not zero")
            }
            Self::ElementUnknown(n, kind) => {
                write!(f, "filter element {n} has the unknown type 0x{kind:02x}")
            }
            Self::ElementLength(n) => write!(
                f,
                "filter element {n} has a length that its type cannot have"
            ),
            Self::Key(n) => write!(f, "filter element {n} holds a key that is not acceptable"),
            Self::Kind(n) => {
                write!(f, "filter element {n} holds a kind with reserved bits")
            }
            Self::Timestamp(n) => write!(
                f,
                "filter element {n} holds a timestamp with its top bit set"
            ),
            Self::Tag(n) => {
                write!(
                    f,
                    "filter element {n} holds a tag under 4 bytes or longer than the element"
                )
            }
            Self::Padding(n) => write!(f, "filter element {n} has padding that is not zero"),
        }
    }
}

impl std::error::Error for FilterError {}
