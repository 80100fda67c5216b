#!/usr/bin/perl

# shardctl event add, list, remove, import against a real Redis: the same
# records as the HTTP API's, iCalendar files whole or not at all.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

my $dir = $t->dir();
my @nodes = map { ('--node', "n$_=127.0.0.1:800$_,zone=z1,capacity=100") } 1 .. 2;

$t->ctl('init', '--shards', 8, @nodes, '--driver', 'none');

my @day = ('--start', '2026-11-27T08:00Z', '--end', '2026-11-27T20:00Z');

sub stored { return $t->redis()->command('HGET', $t->key('events'), $_[0]) }

sub names { return join ' ', sort keys %{ $t->redis()->hash($t->key('events')) } }

sub refused {
    my ($want, $text, @args) = @_;

    my ($status, $out, $err) = $t->try_ctl('event', @args);
    is($status, $want, "refused with $want: @args");
    like($err, $text, 'and says why');
}


# add

my $json = $t->ctl('event', 'add', 'black-friday', @day, '--effect', 'x2.5', '--repeat', 'FREQ=YEARLY;BYMONTH=11;BYDAY=4FR',
                   '--name', "Schwarzer Freitag");
is($json->{outcome}, 'added', 'added');
is(stored('black-friday'), '{"start":"2026-11-27T08:00Z","end":"2026-11-27T20:00Z","repeat":"FREQ=YEARLY;BYMONTH=11;BYDAY=4FR",'
   . '"effect":"x2.5","name":"Schwarzer Freitag"}', 'as docs/redis-keys.md has it');

$t->ctl('event', 'add', 'kernel', @day, '--nodes', 'n1,n2', '--effect', 'drain');
is(stored('kernel'), '{"start":"2026-11-27T08:00Z","end":"2026-11-27T20:00Z","nodes":["n1","n2"],"effect":"drain"}', 'a drain');

$t->ctl('event', 'add', 'sale', @day, '--shards', '1,7');
is(decode_json(stored('sale'))->{effect}, 'learned', 'learned is what no effect means');

$t->ctl('event', 'add', 'show', '--zone', 'Europe/Berlin', '--start', '2026-11-27T20:15', '--end', '2026-11-27T22:00',
        '--repeat', 'daily', '--effect', '+300');
my $show = decode_json(stored('show'));
is($show->{start}, '2026-11-27T19:15Z', 'a time of Berlin');
is($show->{offsets}[0], '2026-11-27T19:15Z+01:00', 'with its offset then');
is($show->{offsets}[1], '2027-03-28T01:00Z+02:00', 'and the next one');

refused(1, qr/there is an event "sale": --replace/, 'add', 'sale', @day);
is($t->ctl('event', 'add', 'sale', @day, '--replace', '--effect', '-20')->{outcome}, 'replaced', 'replaced');
refused(2, qr/--start and --end are needed/, 'add', 'x');
refused(2, qr/"--start tomorrow" is not a time/, 'add', 'x', '--start', 'tomorrow', '--end', '2026-11-27T20:00Z');
refused(2, qr/not behind "start"/, 'add', 'x', '--start', '2026-11-28T08:00Z', '--end', '2026-11-27T20:00Z');
refused(2, qr/"effect" is "2"/, 'add', 'x', @day, '--effect', '2');
refused(2, qr/nearest is "daily"/, 'add', 'x', @day, '--repeat', 'dayly');
refused(2, qr/"BYHOUR" is not supported/, 'add', 'x', @day, '--repeat', 'FREQ=DAILY;BYHOUR=3');
refused(2, qr/no event's id/, 'add', 'a b', @day);
refused(2, qr/no such time zone/, 'add', 'x', @day, '--zone', 'Mars/Olympus');
for my $z ('', 'Z') {
    refused(2, qr/"--start 2200-01-01T08:00$z" is not a time .*with --zone.* up to 2199/, 'add', 'x', '--zone', 'Europe/Berlin',
            '--start', "2200-01-01T08:00$z", '--end', "2200-01-01T09:00$z");
}
refused(2, qr/shard/, 'add', 'x', @day, '--shards', '1,x');
refused(1, qr/has no shard 99/, 'add', 'x', @day, '--shards', '99');
refused(1, qr/n9/, 'add', 'x', @day, '--nodes', 'n9');
refused(2, qr/"drain" is of "nodes"/, 'add', 'x', @day, '--effect', 'drain');
is(names(), 'black-friday kernel sale show', 'nothing of that was written');


# list

$t->redis()->command('HSET', $t->key('events'), 'broken', '{"start":7}');
$t->redis()->command('HSET', $t->key('effects'), 'show', encode_json({ event => stored('show'), factor => 1.5, spread => 0.25,
    n => 2, came => [{ from => 1, to => 2, actual => 3, expected => 2, noise => 0.1, shards => 8 }] }));

my $list = $t->ctl('event', 'list', '--from', '2027-06-01T00:00Z');
my %by = map { ($_->{id} => $_) } @{ $list->{events} };
is(scalar @{ $list->{events} }, 5, 'list');
is($by{show}{next}[0]{from}, 1811873700, 'the next one is at 20:15 of Berlin in summer');
is(scalar @{ $by{kernel}{next} }, 0, 'what is over has no next');
is($by{show}{learned}{factor}, 1.5, 'how large it was');
like($by{broken}{error}, qr/"start" is not a string/, 'a malformed one says what is wrong');
is($list->{events}[-1]{id}, 'broken', 'and comes last');

my ($status, $out) = $t->run($t->program('shardctl'), '--redis', $t->redis_addr(), '-k', 'orders', 'event', 'list');
is($status, 0, 'as a table');
like($out, qr/^EVENT +NAME +EFFECT +NEXT +FOR/m, 'with its head');
like($out, qr/x1\.50 \+- 0\.25/, 'sizes');
like($out, qr/broken: is ignored: /, 'and the broken one');

is($t->ctl('event', 'remove', 'broken')->{outcome}, 'removed', 'removed');
refused(1, qr/there is no event "broken"/, 'remove', 'broken');


# import

sub calendar { return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n" . join("\r\n", @_) . "\r\nEND:VCALENDAR\r\n" }

sub vevent { return ('BEGIN:VEVENT', @_, 'END:VEVENT') }

sub import_of {
    my ($text, @args) = @_;

    spew("$dir/cal.ics", $text);
    return $t->ctl('event', 'import', "$dir/cal.ics", @args);
}

my $good = calendar(
    'BEGIN:VTIMEZONE', 'TZID:Home', 'BEGIN:STANDARD', 'DTSTART:20201025T030000', 'TZOFFSETFROM:+0200', 'TZOFFSETTO:+0100',
    'RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU', 'END:STANDARD', 'BEGIN:DAYLIGHT', 'DTSTART:20210328T020000',
    'TZOFFSETFROM:+0100', 'TZOFFSETTO:+0200', 'RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU', 'END:DAYLIGHT', 'END:VTIMEZONE',
    vevent('UID:match@club.example', 'DTSTAMP:20260101T000000Z', 'DTSTART;TZID=Home:20260801T153000', 'DURATION:PT2H',
           'RRULE:FREQ=WEEKLY;BYDAY=SA;UNTIL=20270530T235959Z', 'EXDATE;TZID=Home:20261226T153000,20270102T153000',
           'SUMMARY:A match\, "live"', ' and folded', 'BEGIN:VALARM', 'TRIGGER:-PT15M', 'ACTION:DISPLAY', 'END:VALARM'),
    vevent('UID:match@club.example', 'RECURRENCE-ID;TZID=Home:20261128T153000', 'DTSTART;TZID=Home:20261129T183000',
           'DTEND;TZID=Home:20261129T203000'),
    vevent('UID:holiday', 'DTSTART;VALUE=DATE:20261225', 'DTEND;VALUE=DATE:20261227', 'RRULE:FREQ=YEARLY',
           'X-SHARD-EFFECT:x0.4', 'X-SHARD-SHARDS:1,2'),
    vevent('UID:one', 'DTSTART:20261201T080000Z', 'DTEND:20261201T090000Z', 'SUMMARY:Größe'),
    vevent('UID:gone', 'DTSTART:20261201T080000Z', 'DTEND:20261201T090000Z', 'STATUS:CANCELLED'));

$json = import_of($good, '--dry-run', '--zone', 'America/New_York');
is($json->{added}, 4, 'a dry run tells of four');
is(names(), 'black-friday kernel sale show', 'and writes nothing');

$json = import_of($good, '--effect', '+50', '--zone', 'America/New_York');
is($json->{added}, 4, 'imported');

my $match = decode_json(stored('match_club.example'));
is($match->{start}, '2026-08-01T13:30Z', 'a zone of the file');
is($match->{end}, '2026-08-01T15:30Z', 'a duration');
is($match->{name}, "A match, 'live'and folded", 'a folded line');
is($match->{repeat}, 'FREQ=WEEKLY;BYDAY=SA;UNTIL=20270530T235959Z', 'RRULE');
is($match->{offsets}[1], '2026-10-25T01:00Z+01:00', 'in winter it is an hour later');
is_deeply($match->{except}, ['2026-12-26T14:30Z', '2027-01-02T14:30Z', '2026-11-28T14:30Z'], 'EXDATE, and what was moved');
is($match->{effect}, '+50', '--effect');

my ($moved) = grep { /^match_club\.example\.\d+$/ } keys %{ $t->redis()->hash($t->key('events')) };
is(decode_json(stored($moved))->{start}, '2026-11-29T17:30Z', 'to another day');

my $holiday = decode_json(stored('holiday'));
is($holiday->{start}, '2026-12-25T05:00Z', 'whole days are of the zone that is asked for');
is($holiday->{end}, '2026-12-27T05:00Z', 'two of them');
is_deeply([$holiday->{effect}, $holiday->{shards}], ['x0.4', [1, 2]], 'its own effect and shards');
is(decode_json(stored('one'))->{name}, "Gr\x{f6}\x{df}e", 'names are UTF-8');

$json = import_of($good);
is($json->{replaced}, 4, 'again: the same ones');

my $before = join '', map { stored($_) } split / /, names();

for my $case (
    ['', qr/line 1: it is empty/],
    ["hello\n", qr/line 1: "hello": a calendar begins with BEGIN:VCALENDAR/],
    [' folded', qr/line 1: it continues a line that is not there/],
    ["BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", qr/line 3: "END:VCALENDAR" ends "BEGIN:VEVENT" of line 2/],
    ["BEGIN:VCALENDAR\nBEGIN:VEVENT\n", qr/line 2: "BEGIN:VEVENT" has no end/],
    [calendar(vevent('UID:a', 'DTEND:20261201T090000Z')), qr/line 4: the event has no DTSTART/],
    [calendar(vevent('UID:a', 'DTSTART:20261301T080000Z', 'DURATION:PT1H')), qr/line 6: "DTSTART:20261301T080000Z": not a time/],
    [calendar(vevent('UID:a', 'DTSTART:20260231T080000Z', 'DURATION:PT1H')), qr/line 6: .*not a time/],
    [calendar(vevent('UID:a', 'DTSTART:soon', 'DURATION:PT1H')), qr/line 6: .*not a time/],
    [calendar(vevent('UID:a', 'DTSTART', 'DURATION:PT1H')), qr/line 4: the event has no DTSTART/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z')), qr/line 4: the event lasts no time/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DTEND:20261130T080000Z')), qr/line 4: the event ends before it begins/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:-PT1H')), qr/line 7: .*not a duration/],
    [calendar(vevent('UID:a', 'DTSTART;TZID=Nowhere:20261201T080000', 'DURATION:PT1H')), qr/line 6: time zone "Nowhere" is neither/],
    [calendar('BEGIN:VTIMEZONE', 'TZID:Odd', 'BEGIN:STANDARD', 'DTSTART:20201025T030000', 'TZOFFSETFROM:+0200', 'TZOFFSETTO:+0100',
              'RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'END:STANDARD', 'END:VTIMEZONE'), qr/line 10: "RRULE.*a time zone's clock changes by/],
    [calendar(vevent('UID:a', 'DTSTART;TZID=../../etc/passwd:20261201T080000', 'DURATION:PT1H')), qr/line 6: time zone/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'RRULE:FREQ=HOURLY')), qr/line 8: "repeat": "FREQ=HOURLY" is not DAILY/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'RRULE:FREQ=DAILY;BYSETPOS=1')), qr/line 8: .*BYSETPOS/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'RDATE:20261202T080000Z')), qr/line 8: "RDATE.*not supported/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'EXDATE:x')), qr/line 8: "EXDATE:x": not a time/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'UID:b')), qr/line 8: UID twice, first in line 5/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'X-SHARD-EFFECT:big')), qr/line 4: field "effect" is "big"/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H', 'X-SHARD-SHARDS:1,,2')), qr/line 8: .*not shard ids/],
    [calendar((vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H')) x 2), qr/line 9: UID "a" is that of the event of line 4/],
    [calendar(vevent('UID:a', 'DTSTART:20261201T080000Z', 'DURATION:PT1H'), vevent('UID:b', 'DTSTART:2026')), qr/line 11: /],
    ["BEGIN:VCALENDAR\n\0\nEND:VCALENDAR\n", qr/line 2: a zero byte/],
    [calendar(map { vevent("UID:u$_", 'DTSTART:20261201T080000Z', 'DURATION:PT1H') } 1 .. 1001), qr/more than 1000 events/],
    [calendar(map { vevent("UID:u$_", 'DTSTART:20261201T080000Z', 'DURATION:PT1H') } 1 .. 999), qr/there would be 1007 events/],
) {
    spew("$dir/bad.ics", $case->[0]);
    refused(1, $case->[1], 'import', "$dir/bad.ics");
}

refused(1, qr/has no shard 9\b/, 'import', "$dir/cal.ics", '--shards', '9');
refused(1, qr/cannot open/, 'import', "$dir/none.ics");
is(join('', map { stored($_) } split / /, names()), $before, 'nothing of that was imported');


# an event in a shard's forecast

$t->redis()->command('HSET', $t->key('forecast'), 3, encode_json({ at => 1796083200, step_s => 300, model => 'combined',
    mean => [1, 2], 'q0.9' => [2, 3],
    events => [{ id => 'sale', effect => 'learned', factor => 2.5, spread => 0.2, n => 4, from => 1796083200, to => 1796086800 },
               { id => 'show', effect => '+300', add => 37.5, from => 1796083200, to => 1796086800 }] }));

is($t->ctl('forecast', 3)->{events}[0]{factor}, 2.5, 'forecast tells of its events');
($status, $out) = $t->run($t->program('shardctl'), '--redis', $t->redis_addr(), '-k', 'orders', 'forecast', 3);
like($out, qr/^event sale: .*, x2\.50 \+- 0\.20 learned from 4 occurrences$/m, 'in words');
is($t->ctl('explain', 3)->{events}[1]{add}, 37.5, 'explain as well');
like($out, qr/^event show: .*, \+300 said, \+37\.5 req\/s of this shard$/m, 'both');

$t->finish();
done_testing();
