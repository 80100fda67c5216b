
/*
 * JSON a byte at a time, without tokens or recursion: a state, a depth, and
 * for each depth a bit that says what kind of container it is.
 */

#include "shard_merge_json.h"


static int shard_merge_json_value(shard_merge_t *part, unsigned char c);
static int shard_merge_json_open(shard_merge_t *part, int object);
static int shard_merge_json_punctuation(shard_merge_t *part,
    unsigned char c);
static int shard_merge_json_string(shard_merge_t *part, unsigned char c);
static int shard_merge_json_escape(shard_merge_t *part, unsigned char c);
static int shard_merge_json_utf8(shard_merge_t *part, unsigned char c);
static int shard_merge_json_literal(shard_merge_t *part, unsigned char c);
static int shard_merge_json_number(shard_merge_t *part, unsigned char c);
static void shard_merge_json_ended(shard_merge_t *part);


#define shard_merge_json_object(part)                                         \
    ((part)->objects[((part)->depth - 1) / 64]                                \
         >> (((part)->depth - 1) % 64) & 1)

#define shard_merge_json_digit(c)  ((c) >= '0' && (c) <= '9')


int
shard_merge_json_byte(shard_merge_t *part, unsigned char c)
{
    switch (part->state) {

    case SHARD_MERGE_STRING:
    case SHARD_MERGE_KEY_STRING:
        return shard_merge_json_string(part, c);

    case SHARD_MERGE_TRUE:
    case SHARD_MERGE_FALSE:
    case SHARD_MERGE_NULL:
        return shard_merge_json_literal(part, c);

    default:
        break;
    }

    if (part->state >= SHARD_MERGE_MINUS
        && part->state <= SHARD_MERGE_EXPONENT)
    {
        if (shard_merge_json_number(part, c) == SHARD_OK) {
            return SHARD_OK;
        }

        if (!shard_merge_json_whole(part)) {
            return SHARD_ERROR;
        }

        shard_merge_json_ended(part);

        /* what ends a number at the top is space only */

        if (part->depth == 0 && !shard_merge_json_space(c)) {
            return SHARD_ERROR;
        }
    }

    if (shard_merge_json_space(c)) {

        /* values at the top are told apart by the space between them */

        if (part->state == SHARD_MERGE_DONE) {
            part->state = SHARD_MERGE_VALUE;
        }

        return SHARD_OK;
    }

    if (part->state == SHARD_MERGE_VALUE
        || (part->state == SHARD_MERGE_VALUE_OR_END && c != ']'))
    {
        return shard_merge_json_value(part, c);
    }

    return shard_merge_json_punctuation(part, c);
}


int
shard_merge_json_whole(const shard_merge_t *part)
{
    return part->state == SHARD_MERGE_ZERO
           || part->state == SHARD_MERGE_DIGITS
           || part->state == SHARD_MERGE_FRACTION
           || part->state == SHARD_MERGE_EXPONENT;
}


static int
shard_merge_json_value(shard_merge_t *part, unsigned char c)
{
    if (part->depth == 0 && part->values < UINT32_MAX) {
        part->values++;
    }

    part->step = 1;

    switch (c) {

    case '{':
        return shard_merge_json_open(part, 1);

    case '[':
        return shard_merge_json_open(part, 0);

    case '"':
        part->state = SHARD_MERGE_STRING;
        part->step = 0;
        return SHARD_OK;

    case 't':
        part->state = SHARD_MERGE_TRUE;
        return SHARD_OK;

    case 'f':
        part->state = SHARD_MERGE_FALSE;
        return SHARD_OK;

    case 'n':
        part->state = SHARD_MERGE_NULL;
        return SHARD_OK;

    case '-':
        part->state = SHARD_MERGE_MINUS;
        return SHARD_OK;

    case '0':
        part->state = SHARD_MERGE_ZERO;
        return SHARD_OK;

    default:
        part->state = SHARD_MERGE_DIGITS;
        return shard_merge_json_digit(c) ? SHARD_OK : SHARD_ERROR;
    }
}


static int
shard_merge_json_open(shard_merge_t *part, int object)
{
    uint64_t  bit;

    if (part->depth == SHARD_MERGE_DEPTH) {
        return SHARD_ERROR;
    }

    bit = (uint64_t) 1 << (part->depth % 64);

    if (object) {
        part->objects[part->depth / 64] |= bit;
        part->state = SHARD_MERGE_KEY_OR_END;

    } else {
        part->objects[part->depth / 64] &= ~bit;
        part->state = SHARD_MERGE_VALUE_OR_END;
    }

    part->depth++;

    return SHARD_OK;
}


static int
shard_merge_json_punctuation(shard_merge_t *part, unsigned char c)
{
    int  object, state;

    state = part->state;
    object = part->depth && shard_merge_json_object(part);

    if (c == '"'
        && (state == SHARD_MERGE_KEY || state == SHARD_MERGE_KEY_OR_END))
    {
        part->state = SHARD_MERGE_KEY_STRING;
        part->step = 0;
        return SHARD_OK;
    }

    if (c == ':' && state == SHARD_MERGE_COLON) {
        part->state = SHARD_MERGE_VALUE;
        return SHARD_OK;
    }

    if (c == ',' && state == SHARD_MERGE_COMMA_OR_END) {
        part->state = object ? SHARD_MERGE_KEY : SHARD_MERGE_VALUE;
        return SHARD_OK;
    }

    if (part->depth && c == (object ? '}' : ']')
        && (state == SHARD_MERGE_COMMA_OR_END
            || state == SHARD_MERGE_KEY_OR_END
            || state == SHARD_MERGE_VALUE_OR_END))
    {
        part->depth--;
        shard_merge_json_ended(part);
        return SHARD_OK;
    }

    return SHARD_ERROR;
}


static void
shard_merge_json_ended(shard_merge_t *part)
{
    part->state = part->depth ? SHARD_MERGE_COMMA_OR_END : SHARD_MERGE_DONE;
}


/* "step": 0 outside of an escape, 1 behind its \, 2 to 5 in \uXXXX */

static int
shard_merge_json_string(shard_merge_t *part, unsigned char c)
{
    if (part->utf_left) {
        return shard_merge_json_utf8(part, c);
    }

    if (part->step) {
        return shard_merge_json_escape(part, c);
    }

    if (c < 0x20) {
        return SHARD_ERROR;
    }

    if (c == '"') {
        if (part->state == SHARD_MERGE_KEY_STRING) {
            part->state = SHARD_MERGE_COLON;

        } else {
            shard_merge_json_ended(part);
        }

    } else if (c == '\\') {
        part->step = 1;

    } else if (c >= 0x80) {
        return shard_merge_json_utf8(part, c);
    }

    return SHARD_OK;
}


static int
shard_merge_json_escape(shard_merge_t *part, unsigned char c)
{
    if (part->step > 1) {
        part->step = part->step == 5 ? 0 : part->step + 1;

        return (shard_merge_json_digit(c) || (c >= 'a' && c <= 'f')
                || (c >= 'A' && c <= 'F')) ? SHARD_OK : SHARD_ERROR;
    }

    switch (c) {

    case 'u':
        part->step = 2;
        return SHARD_OK;

    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        part->step = 0;
        return SHARD_OK;

    default:
        return SHARD_ERROR;
    }
}


/* the first byte bounds the second: neither overlong, nor a surrogate */

static int
shard_merge_json_utf8(shard_merge_t *part, unsigned char c)
{
    if (part->utf_left) {

        if (c < part->utf_lo || c > part->utf_hi) {
            return SHARD_ERROR;
        }

        part->utf_left--;
        part->utf_lo = 0x80;
        part->utf_hi = 0xbf;

        return SHARD_OK;
    }

    if (c < 0xc2 || c > 0xf4) {
        return SHARD_ERROR;
    }

    part->utf_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    part->utf_lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    part->utf_hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

    return SHARD_OK;
}


static int
shard_merge_json_literal(shard_merge_t *part, unsigned char c)
{
    const char  *word;

    word = part->state == SHARD_MERGE_TRUE ? "true"
           : part->state == SHARD_MERGE_FALSE ? "false" : "null";

    if (c != (unsigned char) word[part->step]) {
        return SHARD_ERROR;
    }

    if (word[++part->step] == '\0') {
        shard_merge_json_ended(part);
    }

    return SHARD_OK;
}


/* SHARD_ERROR: not of this number, which may have ended before */

static int
shard_merge_json_number(shard_merge_t *part, unsigned char c)
{
    if (shard_merge_json_digit(c)) {

        switch (part->state) {

        case SHARD_MERGE_ZERO:
            return SHARD_ERROR;

        case SHARD_MERGE_MINUS:
            part->state = c == '0' ? SHARD_MERGE_ZERO : SHARD_MERGE_DIGITS;
            break;

        case SHARD_MERGE_POINT:
            part->state = SHARD_MERGE_FRACTION;
            break;

        case SHARD_MERGE_E:
        case SHARD_MERGE_E_SIGN:
            part->state = SHARD_MERGE_EXPONENT;
            break;

        default:
            break;
        }

        return SHARD_OK;
    }

    if (c == '.' && (part->state == SHARD_MERGE_ZERO
                     || part->state == SHARD_MERGE_DIGITS))
    {
        part->state = SHARD_MERGE_POINT;
        return SHARD_OK;
    }

    if ((c == 'e' || c == 'E') && (part->state == SHARD_MERGE_ZERO
                                   || part->state == SHARD_MERGE_DIGITS
                                   || part->state == SHARD_MERGE_FRACTION))
    {
        part->state = SHARD_MERGE_E;
        return SHARD_OK;
    }

    if ((c == '+' || c == '-') && part->state == SHARD_MERGE_E) {
        part->state = SHARD_MERGE_E_SIGN;
        return SHARD_OK;
    }

    return SHARD_ERROR;
}
