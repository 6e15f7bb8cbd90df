const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * The number that people read out: `ORD-` and the order's id as a ULID (128 bits in Crockford's base 32), so it is
 * as unique as the id and needs no column of its own.
 */
export function orderNumber(id: string): string {
	// 20 bits at a time: five hexadecimal digits are four of base 32.
	const hex = `000${id.replaceAll('-', '')}`;
	let text = '';
	for (let start = 0; start < hex.length; start += 5) {
		const bits = Number.parseInt(hex.slice(start, start + 5), 16);
		for (let shift = 15; shift >= 0; shift -= 5) text += CROCKFORD.charAt((bits >> shift) & 31);
	}
	return `ORD-${text.slice(2)}`;
}
