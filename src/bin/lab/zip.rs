//! Writes a zip: files one after the other, and a list of them at the end. Nothing is compressed, so
//! that neither a package nor a program of the system is needed.
//!
//! The format is PKWARE's APPNOTE.TXT: sections 4.3.7, 4.3.12 and 4.3.16.

/// A file in the zip: its name, with `/` between folders, and its octets.
pub type File = (String, Vec<u8>);

/// 1 January 1980 at 0:00, the first moment that the format knows: equal files make equal zips.
const TIME: u16 = 0;
const DATE: u16 = 1 << 5 | 1;

/// Version 2.0 of the format; names are UTF-8.
const VERSION: u16 = 20;
const UTF8: u16 = 1 << 11;
const STORED: u16 = 0;

/// The octets of a zip with these files.
///
/// # Errors
/// When there are too many or too long ones for the format.
pub fn zip(files: &[File]) -> Result<Vec<u8>, String> {
    let (mut body, mut list) = (Vec::new(), Vec::new());
    for (name, octets) in files {
        let too_long = |_| format!("{name} is too long for a zip");
        let offset = u32::try_from(body.len()).map_err(too_long)?;
        let fields = fields(name, octets).map_err(too_long)?;
        put(&mut body, &[0x0403_4b50]);
        body.extend_from_slice(&fields);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(octets);

        put(&mut list, &[0x0201_4b50]);
        list.extend_from_slice(&VERSION.to_le_bytes());
        list.extend_from_slice(&fields);
        // No comment, the first disk, no attributes.
        list.extend_from_slice(&[0; 10]);
        put(&mut list, &[offset]);
        list.extend_from_slice(name.as_bytes());
    }
    let too_many = |_| "too many files for a zip".to_owned();
    let count = u16::try_from(files.len()).map_err(too_many)?.to_le_bytes();
    let size = u32::try_from(list.len()).map_err(too_many)?;
    let offset = u32::try_from(body.len()).map_err(too_many)?;
    body.extend_from_slice(&list);
    put(&mut body, &[0x0605_4b50, 0]);
    body.extend_from_slice(&[count, count].concat());
    put(&mut body, &[size, offset]);
    body.extend_from_slice(&[0; 2]);
    Ok(body)
}

/// What stands about a file both before it and in the list.
fn fields(name: &str, octets: &[u8]) -> Result<Vec<u8>, std::num::TryFromIntError> {
    let size = u32::try_from(octets.len())?;
    let length = u16::try_from(name.len())?;
    let mut fields = Vec::new();
    for short in [VERSION, UTF8, STORED, TIME, DATE] {
        fields.extend_from_slice(&short.to_le_bytes());
    }
    put(&mut fields, &[crc32(octets), size, size]);
    for short in [length, 0] {
        fields.extend_from_slice(&short.to_le_bytes());
    }
    Ok(fields)
}

fn put(to: &mut Vec<u8>, numbers: &[u32]) {
    to.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// The checksum of the format: CRC-32 with the polynomial 0xedb88320, bit by bit.
fn crc32(octets: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let step = |crc: u32, octet: &u8| (0..8).fold(crc ^ u32::from(*octet), shift);
    !octets.iter().fold(!0, step)
}
