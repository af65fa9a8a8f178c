// SPDX-License-Identifier: AGPL-3.0-or-later
//! Canonical JSON straight from a value: no tree of the whole is made, since digests are taken of every server.
//!
//! Guarantees: the bytes are those of the value's `serde_json::Value` with the members of each object sorted by code
//! point, strings and keys in NFC, and no white space. Members are written as they come; those of an object that came
//! out of order are put in order at its end.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use serde::Serialize;
use serde::ser::{self, Error as _};

use super::{CanonicalError, composed};

/// Writes a value.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    value.serialize(Canonical(out)).map_err(|fault| match fault {
        Fault::Float(pointer) => CanonicalError::Float { pointer },
        Fault::Other(error) => CanonicalError::Serialize(error),
    })
}

/// What went wrong. The pointer grows from the inside out.
#[derive(Debug)]
enum Fault {
    Float(String),
    Other(serde_json::Error),
}

impl Fault {
    fn below(self, key: impl fmt::Display) -> Self {
        match self {
            Self::Float(pointer) => Self::Float(format!("/{key}{pointer}")),
            other @ Self::Other(_) => other,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(pointer) => write!(f, "a number at {pointer} is not an integer"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(serde_json::Error::custom(message))
    }
}

struct Canonical<'a>(&'a mut Vec<u8>);

impl<'a> Canonical<'a> {
    fn raw<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        serde_json::to_writer(self.0, value).map_err(Fault::Other)
    }

    fn float(self, value: f64) -> Result<(), Fault> {
        // As in a `serde_json::Value`, what is no number is nothing.
        if value.is_finite() { Err(Fault::Float(String::new())) } else { self.serialize_unit() }
    }

    /// `{"variant":`, which `}` ends.
    fn variant(self, variant: &'static str) -> Result<&'a mut Vec<u8>, Fault> {
        self.0.push(b'{');
        Canonical(self.0).serialize_str(variant)?;
        self.0.push(b':');
        Ok(self.0)
    }
}

use ser::Serializer as _;

/// Numbers that fit.
macro_rules! integers {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, value: $kind) -> Result<(), Fault> {
            self.raw(&value)
        })*
    };
}

impl<'a> ser::Serializer for Canonical<'a> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_i128(self, value: i128) -> Result<(), Fault> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.raw(&value),
            (_, Ok(value)) => self.raw(&value),
            _ => Err(Fault::custom("number out of range")),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Fault> {
        let value = u64::try_from(value).map_err(|_| Fault::custom("number out of range"))?;
        self.raw(&value)
    }

    fn serialize_bool(self, value: bool) -> Result<(), Fault> {
        self.raw(&value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Fault> {
        self.float(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Fault> {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Fault> {
        self.raw(&*composed(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Fault> {
        self.raw(bytes)
    }

    fn serialize_none(self) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Fault> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        let out = self.variant(variant)?;
        value.serialize(Canonical(out)).map_err(|fault| fault.below(variant))?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Fault> {
        Ok(List::new(self.0, None))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, Fault> {
        Ok(List::new(self.0, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, Fault> {
        Ok(List::new(self.0, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, Fault> {
        Ok(List::new(self.variant(variant)?, Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Fault> {
        Ok(Object::new(self.0, None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, Fault> {
        Ok(Object::new(self.0, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, Fault> {
        Ok(Object::new(self.variant(variant)?, Some(variant)))
    }
}

/// A list under way.
struct List<'a> {
    out: &'a mut Vec<u8>,
    count: usize,
    /// What it is the content of.
    variant: Option<&'static str>,
}

impl<'a> List<'a> {
    fn new(out: &'a mut Vec<u8>, variant: Option<&'static str>) -> Self {
        out.push(b'[');
        Self { out, count: 0, variant }
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Fault> {
        if self.count > 0 {
            self.out.push(b',');
        }
        let written = item.serialize(Canonical(self.out));
        written.map_err(|fault| within(fault.below(self.count), self.variant))?;
        self.count += 1;
        Ok(())
    }

    fn close(self) {
        self.out.push(b']');
        if self.variant.is_some() {
            self.out.push(b'}');
        }
    }
}

fn within(fault: Fault, variant: Option<&'static str>) -> Fault {
    match variant {
        Some(variant) => fault.below(variant),
        None => fault,
    }
}

/// The four kinds of lists that serde knows.
macro_rules! lists {
    ($($kind:ident: $method:ident),*) => {
        $(impl ser::$kind for List<'_> {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Fault> {
                self.item(item)
            }

            fn end(self) -> Result<(), Fault> {
                self.close();
                Ok(())
            }
        })*
    };
}

lists! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

/// An object under way.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Behind its opening brace.
    start: usize,
    members: Vec<Member>,
    in_order: bool,
    key: Option<Cow<'static, str>>,
    /// What it is the content of.
    variant: Option<&'static str>,
}

/// A member as it was written.
struct Member {
    key: Cow<'static, str>,
    /// Its bytes, key and value, counted from the object's start.
    bytes: Range<usize>,
}

/// By the keys as they are written; two that are the same only then stay apart.
fn order(a: &str, b: &str) -> Ordering {
    composed(a).cmp(&composed(b)).then_with(|| a.cmp(b))
}

impl<'a> Object<'a> {
    fn new(out: &'a mut Vec<u8>, variant: Option<&'static str>) -> Self {
        out.push(b'{');
        let start = out.len();
        Self { out, start, members: Vec::new(), in_order: true, key: None, variant }
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: Cow<'static, str>, value: &T) -> Result<(), Fault> {
        if let Some(last) = self.members.last() {
            self.in_order &= order(&last.key, &key) == Ordering::Less;
            self.out.push(b',');
        }
        let from = self.out.len() - self.start;
        Canonical(self.out).serialize_str(&key)?;
        self.out.push(b':');
        let written = value.serialize(Canonical(self.out));
        written.map_err(|fault| within(fault.below(&key), self.variant))?;
        self.members.push(Member { key, bytes: from..self.out.len() - self.start });
        Ok(())
    }

    fn close(mut self) {
        if !self.in_order {
            self.sort();
        }
        self.out.push(b'}');
        if self.variant.is_some() {
            self.out.push(b'}');
        }
    }

    fn sort(&mut self) {
        let written = self.out.split_off(self.start);
        self.members.sort_by(|a, b| order(&a.key, &b.key));
        for (index, member) in self.members.iter().enumerate() {
            // Of two with one key the later holds, as in a map.
            if self.members.get(index + 1).is_some_and(|next| next.key == member.key) {
                continue;
            }
            if self.out.len() > self.start {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&written[member.bytes.clone()]);
        }
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        let text = match serde_json::to_value(key).map_err(Fault::Other)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Bool(value) => value.to_string(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return Err(Fault::custom("key must be a string")),
        };
        self.key = Some(Cow::Owned(text));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let key = self.key.take().ok_or_else(|| Fault::custom("a value without a key"))?;
        self.member(key, value)
    }

    fn end(self) -> Result<(), Fault> {
        self.close();
        Ok(())
    }
}

/// The two kinds of objects whose fields are known.
macro_rules! structs {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Object<'_> {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.member(Cow::Borrowed(key), value)
            }

            fn end(self) -> Result<(), Fault> {
                self.close();
                Ok(())
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests;
