/** Which amounts Stripe takes, in its own units: they differ from ISO 4217's for some currencies. */
import { invalid, refused } from './refusal.ts';

const CURRENCIES = new Set(
	(
		'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny ' +
		'cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd ' +
		'jpy kes kgs khr kmf krw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio ' +
		'nok npr nzd pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs top ' +
		'try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw bhd jod kwd omr tnd'
	).split(' '),
);
/** Written with two decimals that must be zero. */
const WHOLE_IN_HUNDREDTHS = new Set(['isk', 'ugx']);
/** Three decimals, of which the last must be zero. */
const LAST_DIGIT_ZERO = new Set(['bhd', 'jod', 'kwd', 'omr', 'tnd']);
/** The least amounts of a few currencies; Stripe has more, by the currency in which it pays out. */
const LEAST: Readonly<Record<string, number>> = { usd: 50, eur: 50, cad: 50, aud: 50, chf: 50, gbp: 30, jpy: 50 };

/** Throws what Stripe refuses. */
export function checkAmount(amount: number, currency: string): void {
	if (!CURRENCIES.has(currency)) throw invalid(`Invalid currency: ${currency}.`, undefined, 'currency');
	if (amount < 1)
		throw invalid('This value must be greater than or equal to 1.', 'parameter_invalid_integer', 'amount');
	if (amount < (LEAST[currency] ?? 1)) {
		throw refused(`Amount must be at least ${LEAST[currency]} ${currency}`, 'amount_too_small', 'amount');
	}
	if (String(amount).length > (currency === 'idr' ? 12 : 8)) {
		throw refused('Amount must be no more than 99999999', 'amount_too_large', 'amount');
	}
	if (WHOLE_IN_HUNDREDTHS.has(currency) && amount % 100 !== 0) {
		const message = `Invalid amount: ${currency} has no decimals.`;
		throw refused(message, 'invalid_charge_amount_no_decimal_compatible', 'amount');
	}
	if (LAST_DIGIT_ZERO.has(currency) && amount % 10 !== 0) {
		throw refused(`Invalid amount: the last digit of ${currency} must be 0.`, 'invalid_charge_amount', 'amount');
	}
}
