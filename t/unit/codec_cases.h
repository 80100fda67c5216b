
/* Shard and node records of codec.c, good ones and what each bad one lacks. */


#ifndef _CODEC_CASES_H_INCLUDED_
#define _CODEC_CASES_H_INCLUDED_


typedef struct {
    const char  *json;
    const char  *reason;        /* part of err; NULL: it must be taken */
} case_t;


static const char  full[] =
    "{\"lo\":\"0000000000000000\",\"hi\":\"0400000000000000\","
    "\"primary\":\"n1\",\"standbys\":[\"n3\",\"n4\"],\"epoch\":7,"
    "\"consistency\":\"eventual\",\"strategy\":\"queue\","
    "\"phase\":\"shifting\",\"target\":\"n2\",\"shift\":1250,"
    "\"migration\":\"5f0c6d1e2a3b4c5d\"}";

#define LO  "\"lo\":\"00000000000000ff\","
#define HI  "\"hi\":null,"
#define PE  "\"primary\":\"n1\",\"epoch\":1"
#define N63 "123456789012345678901234567890123456789012345678901234567890123"

static const case_t  records[] = {
    { "{" LO HI PE "}", NULL },
    { " {\t" LO "\r\n" HI PE " } \n", NULL },
    { "{" LO HI PE ",\"other\":{\"a\":[1,-0.5e+3,{}],\"b\":\"\\u00e9\"}}",
      NULL },
    { "{" LO HI PE ",\"x\":[[[[]]]],\"y\":[true,false,null]}", NULL },
    { "{" LO HI "\"primary\":\"" N63 "\",\"epoch\":4294967295}", NULL },
    { "{" LO HI PE ",\"standbys\":[]}", NULL },
    { "{" LO HI PE ",\"target\":\"n2\"}", NULL },

    { "", "not a JSON object" },
    { " ", "not a JSON object" },
    { "[]", "not a JSON object" },
    { "7", "too early" },
    { "\"lo\"", "not a JSON object" },
    { "{}", "\"lo\" is missing" },
    { "{" LO HI PE, "too early" },
    { "{" LO HI PE "}}", "not JSON" },
    { "{" LO HI PE "}{}", "not JSON" },
    { "{" LO HI PE "} x", "not JSON" },
    { "{" LO HI PE "],", "not JSON" },
    { "{" LO HI PE ",}", "not JSON" },
    { "{," LO HI PE "}", "not JSON" },
    { "{" LO "," HI PE "}", "not JSON" },
    { "{" LO HI "\"primary\":\"n1\" \"epoch\":1}", "not JSON" },
    { "{" LO HI "\"primary\" \"n1\",\"epoch\":1}", "not JSON" },
    { "{" LO HI "\"primary\"::\"n1\",\"epoch\":1}", "not JSON" },
    { "{" LO HI PE ",\"x\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":}", "not JSON" },
    { "{" LO HI PE ",1:2}", "not JSON" },
    { "{" LO HI PE ",x:2}", "not JSON" },
    { "{" LO HI PE ",\"x\":[1 2]}", "not JSON" },
    { "{" LO HI PE ",\"x\":[1,]}", "not JSON" },
    { "{" LO HI PE ",\"x\":[,1]}", "not JSON" },
    { "{" LO HI PE ",\"x\":[1:2]}", "not JSON" },
    { "{" LO HI PE ",\"x\":{\"a\":1]}", "not JSON" },
    { "{" LO HI PE ",\"x\":tru}", "not JSON" },
    { "{" LO HI PE ",\"x\":nulll}", "not JSON" },
    { "{" LO HI PE ",\"x\":01}", "not JSON" },
    { "{" LO HI PE ",\"x\":-}", "not JSON" },
    { "{" LO HI PE ",\"x\":1.}", "not JSON" },
    { "{" LO HI PE ",\"x\":1e}", "not JSON" },
    { "{" LO HI PE ",\"x\":1e1e1}", "not JSON" },
    { "{" LO HI PE ",\"x\":1.1.1}", "not JSON" },
    { "{" LO HI PE ",\"x\":+1}", "not JSON" },
    { "{" LO HI PE ",\"x\":1{}}", "not JSON" },
    { "{" LO HI PE ",\"x\":\"\\q\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":\"\\u12g4\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":\"a\nb\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", "not JSON" },

    { "{" LO LO HI PE "}", "\"lo\" is there twice" },
    { "{" LO HI PE ",\"x\":1,\"x\":1}", "\"x\" is there twice" },
    { "{" LO HI PE ",\"l\\u006f\":1}", "escape in the field name" },
    { "{" HI PE "}", "\"lo\" is missing" },
    { "{" LO PE "}", "\"hi\" is missing" },
    { "{" LO HI "\"epoch\":1}", "\"primary\" is missing" },
    { "{" LO HI "\"primary\":\"n1\"}", "\"epoch\" is missing" },

    { "{\"lo\":0," HI PE "}", "\"lo\" is not a string" },
    { "{\"lo\":null," HI PE "}", "\"lo\" is not a string" },
    { "{\"lo\":\"0\"," HI PE "}", "\"lo\" is not 16 lower-case hex" },
    { "{\"lo\":\"00000000000000FF\"," HI PE "}", "\"lo\" is not 16" },
    { "{\"lo\":\"00000000000000ff0\"," HI PE "}", "\"lo\" is not 16" },
    { "{" LO "\"hi\":\"0000000000000000\"," PE "}", "the end of the keyspace" },
    { "{" LO "\"hi\":\"00000000000000ff\"," PE "}", "not above" },
    { "{" LO "\"hi\":true," PE "}", "\"hi\" is not a string" },
    { "{" LO HI "\"primary\":\"\",\"epoch\":1}", "is not a name" },
    { "{" LO HI "\"primary\":\"n 1\",\"epoch\":1}", "is not a name" },
    { "{" LO HI "\"primary\":\"n\\/1\",\"epoch\":1}", "escape in field" },
    { "{" LO HI "\"primary\":\"" N63 "4\",\"epoch\":1}", "is not a name" },
    { "{" LO HI "\"primary\":[\"n1\"],\"epoch\":1}", "is not a string" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":-1}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":1.0}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":1e3}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":\"1\"}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":4294967296}",
      "\"epoch\" is not a number from 0 to 4294967295" },
    { "{" LO HI PE ",\"shift\":10001}", "from 0 to 10000" },
    { "{" LO HI PE ",\"shift\":65536}", "from 0 to 10000" },
    { "{" LO HI PE ",\"standbys\":\"n2\"}", "not an array" },
    { "{" LO HI PE ",\"standbys\":{}}", "not an array" },
    { "{" LO HI PE ",\"standbys\":[1]}", "not a string" },
    { "{" LO HI PE ",\"standbys\":[[\"n2\"]]}", "not a string" },
    { "{" LO HI PE ",\"standbys\":[\"a\",\"b\",\"c\",\"d\"]}", "more than 3" },
    { "{" LO HI PE ",\"standbys\":[\"a\",\"a\"]}", "\"a\" twice" },
    { "{" LO HI PE ",\"standbys\":[\"n1\"]}", "has the primary" },
    { "{" LO HI PE ",\"target\":\"n1\"}", "is the primary" },
    { "{" LO HI PE ",\"target\":\"\"}", "is not a name" },
    { "{" LO HI PE ",\"phase\":\"shifting\"}", "without \"target\"" },
    { "{" LO HI PE ",\"phase\":\"steadi\"}", "nearest is \"steady\"" },
    { "{" LO HI PE ",\"phase\":\"zzz\"}", "steady, shifting, held" },
    { "{" LO HI PE ",\"phase\":0}", "\"phase\" is not a string" },
    { "{" LO HI PE ",\"strategy\":\"log-shiping\"}", "log-shipping" },
    { "{" LO HI PE ",\"consistency\":\"Strong\"}", "nearest is \"strong\"" },
    { "{" LO HI PE ",\"migration\":\"5f0c\"}", "\"migration\" is not 16" },
    { "{" LO HI PE ",\"units\":[\"a\"]}",
      "\"units\" has no place in a \"hash\" keyspace" },
    { "{" LO HI PE ",\"default\":true}", "\"default\" has no place" },
};

#define N64 N63 "4"
#define N62 "12345678901234567890123456789012345678901234567890123456789012"
#define B16 "%00%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f"

static const case_t  numbers[] = {
    { "{" LO HI PE "}", NULL },
    { "{\"lo\":\"a\"," HI PE "}", "\"lo\" is not 16 lower-case hex" },
    { "{" LO HI PE ",\"units\":[]}",
      "\"units\" has no place in a \"range uint64\" keyspace" },
    { "{" LO HI PE ",\"default\":false}", "\"default\" has no place" },
};

static const case_t  bounds[] = {
    { "{\"lo\":\"\"," HI PE "}", NULL },
    { "{\"lo\":\"\",\"hi\":\"%00\"," PE "}", NULL },
    { "{\"lo\":\"a\",\"hi\":\"a%00\"," PE "}", NULL },
    { "{\"lo\":\"z\",\"hi\":\"%80\"," PE "}", NULL },
    { "{\"lo\":\"2026-01\",\"hi\":\"2026-02\"," PE "}", NULL },
    { "{\"lo\":\"a b,{}[]:'\",\"hi\":\"%c3%a4%22%5c%25\"," PE "}", NULL },
    { "{\"lo\":\"" N64 "\"," HI PE "}", NULL },
    { "{\"lo\":\"" B16 B16 B16 B16 "\"," HI PE "}", NULL },

    { "{" HI PE "}", "\"lo\" is missing" },
    { "{\"lo\":\"\"," PE "}", "\"hi\" is missing" },
    { "{\"lo\":null," HI PE "}", "\"lo\" is not a string" },
    { "{\"lo\":\"\",\"hi\":\"\"," PE "}", "the end of the keyspace is null" },
    { "{\"lo\":\"\",\"hi\":true," PE "}", "\"hi\" is not a string" },
    { "{\"lo\":\"b\",\"hi\":\"a\"," PE "}", "\"hi\" is not above" },
    { "{\"lo\":\"a\",\"hi\":\"a\"," PE "}", "\"hi\" is not above" },
    { "{\"lo\":\"%ff\",\"hi\":\"a\"," PE "}", "\"hi\" is not above" },
    { "{\"lo\":\"" N64 "5\"," HI PE "}", "longer than 64 bytes" },
    { "{\"lo\":\"" B16 B16 B16 B16 "%ff\"," HI PE "}", "than 64 bytes" },
    { "{\"lo\":\"%\"," HI PE "}", "percent-encoded" },
    { "{\"lo\":\"%0\"," HI PE "}", "percent-encoded" },
    { "{\"lo\":\"%0g\"," HI PE "}", "percent-encoded" },
    { "{\"lo\":\"%FF\"," HI PE "}", "percent-encoded" },
    { "{\"lo\":\"%41\"," HI PE "}", "percent-encoded" },
    { "{\"lo\":\"a\\u0041\"," HI PE "}", "escape in field \"lo\"" },
    { "{\"lo\":\"\xc3\xa4\"," HI PE "}", "at byte 0" },
    { "{\"lo\":\"\"," HI PE ",\"units\":[\"a\"]}", "\"units\" has no place" },
};

static const case_t  lists[] = {
    { "{\"units\":[\"checkout\"]," PE "}", NULL },
    { "{\"units\":[\"a\", \"b,]\" ,\"%c3%a4\"]," PE "}", NULL },
    { "{\"units\":[],\"default\":true," PE "}", NULL },
    { "{\"default\":true," PE "}", NULL },
    { "{\"default\":true,\"units\":[\"misc\"]," PE "}", NULL },
    { "{\"default\":false,\"units\":[\"" N64 "\"]," PE "}", NULL },

    { "{" PE "}", "neither \"units\" nor \"default\"" },
    { "{\"units\":[]," PE "}", "neither \"units\" nor \"default\"" },
    { "{\"default\":false," PE "}", "neither \"units\" nor \"default\"" },
    { "{\"units\":\"a\"," PE "}", "not an array" },
    { "{\"units\":{\"a\":1}," PE "}", "not an array" },
    { "{\"units\":null," PE "}", "not an array" },
    { "{\"units\":[1]," PE "}", "\"units\" is not a string" },
    { "{\"units\":[[\"a\"]]," PE "}", "\"units\" is not a string" },
    { "{\"units\":[\"\"]," PE "}", "an empty name" },
    { "{\"units\":[\"a\",\"b\",\"a\"]," PE "}", "\"a\" twice" },
    { "{\"units\":[\"a%\"]," PE "}", "percent-encoded" },
    { "{\"units\":[\"" N64 "5\"]," PE "}", "longer than 64 bytes" },
    { "{\"units\":[\"a\"],\"default\":1," PE "}", "neither true nor false" },
    { "{\"units\":[\"a\"],\"default\":\"true\"," PE "}",
      "neither true nor false" },
    { "{\"units\":[\"a\"]," LO PE "}", "\"lo\" has no place in a \"list\"" },
    { "{\"units\":[\"a\"]," HI PE "}", "\"hi\" has no place" },
};

#define A   "{\"addr\":\""
#define ZCS "\",\"zone\":\"z1\",\"capacity\":470.0,\"state\":\"up\"}"
#define CAP "{\"addr\":\"127.0.0.1:1\",\"zone\":\"z1\",\"state\":\"up\","      \
            "\"capacity\":"

static const case_t  nodes[] = {
    { A "127.0.0.1:8001" ZCS, NULL },
    { A "255.255.255.255:65535" ZCS, NULL },
    { A "[::]:1" ZCS, NULL },
    { A "[::1]:1" ZCS, NULL },
    { A "[fe80::1:2]:1" ZCS, NULL },
    { A "[1:2:3:4:5:6:7:8]:1" ZCS, NULL },
    { A "[1:2:3:4:5:6:7::]:1" ZCS, NULL },
    { A "[::ffff:1.2.3.4]:1" ZCS, NULL },
    { A "[1:2:3:4:5:6:1.2.3.4]:1" ZCS, NULL },
    { A "unix:/run/n1.sock" ZCS, NULL },
    { A "localhost:80" ZCS, NULL },
    { A "DB-1.internal:65535" ZCS, NULL },
    { A "1and1.example.3com:1" ZCS, NULL },
    { A "a:1" ZCS, NULL },
    { A "xn--bcher-kva.example:80" ZCS, NULL },
    { A N63 ".b:80" ZCS, NULL },

    { A "" ZCS, "\"addr\" is not" },
    { A "127.0.0.1" ZCS, "\"addr\" is not" },
    { A ":80" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:0" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:65536" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:080" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:80x" ZCS, "\"addr\" is not" },
    { A "127.0.0:80" ZCS, "\"addr\" is not" },
    { A "127.0.0.1.1:80" ZCS, "\"addr\" is not" },
    { A "127.0.0.256:80" ZCS, "\"addr\" is not" },
    { A "127.0.0.01:80" ZCS, "\"addr\" is not" },
    { A "localhost" ZCS, "\"addr\" is not" },
    { A "local_host:80" ZCS, "\"addr\" is not" },
    { A "-a.b:80" ZCS, "\"addr\" is not" },
    { A "a-.b:80" ZCS, "\"addr\" is not" },
    { A "a.b-:80" ZCS, "\"addr\" is not" },
    { A "a..b:80" ZCS, "\"addr\" is not" },
    { A ".a:80" ZCS, "\"addr\" is not" },
    { A "a.b.:80" ZCS, "\"addr\" is not" },
    { A "a.b.1:80" ZCS, "\"addr\" is not" },
    { A "1234:80" ZCS, "\"addr\" is not" },
    { A "a.b:0" ZCS, "\"addr\" is not" },
    { A N63 "x:80" ZCS, "\"addr\" is not" },
    { A N63 "." N63 ":1" ZCS, "\"addr\" is not" },
    { A "[]:80" ZCS, "\"addr\" is not" },
    { A "[:]:80" ZCS, "\"addr\" is not" },
    { A "[:::]:80" ZCS, "\"addr\" is not" },
    { A "[1:2:3:4:5:6:7]:80" ZCS, "\"addr\" is not" },
    { A "[1:2:3:4:5:6:7:8:9]:80" ZCS, "\"addr\" is not" },
    { A "[1:2:3:4:5:6:7::8]:80" ZCS, "\"addr\" is not" },
    { A "[1::2::3]:80" ZCS, "\"addr\" is not" },
    { A "[12345::]:80" ZCS, "\"addr\" is not" },
    { A "[g::]:80" ZCS, "\"addr\" is not" },
    { A "[::1:]:80" ZCS, "\"addr\" is not" },
    { A "[:1:2:3:4:5:6:7]:80" ZCS, "\"addr\" is not" },
    { A "[1.2.3.4::1]:80" ZCS, "\"addr\" is not" },
    { A "::1:80" ZCS, "\"addr\" is not" },
    { A "unix:" ZCS, "\"addr\" is not" },
    { A "unix:/" ZCS, "\"addr\" is not" },
    { A "unix:run" ZCS, "\"addr\" is not" },
    { A "unix:/a:b" ZCS, "\"addr\" is not" },
    { A "unix:/a b" ZCS, "\"addr\" is not" },
    { A "unix:/" N63 N63 ZCS, "\"addr\" is not" },

    { CAP "1}", NULL },
    { CAP "1e9}", NULL },
    { CAP "0.000001}", NULL },
    { CAP "470.123456}", NULL },
    { CAP "12345678901234567890123e-20}", NULL },
    { CAP "0.00000000000000000000000000001e30}", NULL },
    { CAP "0}", "\"capacity\" is not" },
    { CAP "-1}", "\"capacity\" is not" },
    { CAP "1e10}", "\"capacity\" is not" },
    { CAP "1e-7}", "\"capacity\" is not" },
    { CAP "1e99999999999999999999}", "\"capacity\" is not" },
    { CAP "null}", "\"capacity\" is not" },
    { CAP "true}", "\"capacity\" is not" },
    { CAP "\"1\"}", "\"capacity\" is not" },
    { CAP "[1]}", "\"capacity\" is not" },
    { CAP "NaN}", "not JSON" },
    { "{\"addr\":\"127.0.0.1:1\",\"zone\":\"z1\",\"capacity\":1,"
      "\"state\":\"drainin\"}", "nearest is \"draining\"" },
    { "{\"addr\":\"127.0.0.1:1\",\"zone\":\"z1\",\"capacity\":1}",
      "\"state\" is missing" },
    { "{\"addr\":\"127.0.0.1:1\",\"capacity\":1,\"state\":\"up\"}",
      "\"zone\" is missing" },
};


#endif /* _CODEC_CASES_H_INCLUDED_ */
