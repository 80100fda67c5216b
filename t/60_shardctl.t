#!/usr/bin/perl

# shardctl against a real Redis: every command for people and as JSON, and
# what it answers to users who are mistaken.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

my $dir = $t->dir();
my $addr = $t->redis_addr();

my @nodes = map { ('--node', "n$_=127.0.0.1:800$_,zone=z"
                             . (2 - $_ % 2) . ",capacity=100") } 1 .. 3;


# help, version, manual: without any server

sub bare { return $t->run($t->program('shardctl'), @_) }

{
    my ($status, $out) = bare('--help');
    is($status, 0, '--help');

    my @commands = $out =~ /^  ([a-z]+(?: [a-z]+)?) {2,}\S/mg;
    cmp_ok(@commands, '>=', 22, 'commands: ' . @commands);

    my @broken = grep {
        my ($rc, $text) = bare(split(/ /, $_), '--help');
        $rc || $text !~ /^usage: shardctl \Q$_\E/
    } @commands;

    is("@broken", '', 'each has its --help');

    my ($newest) = slurp($t->top() . '/CHANGES') =~ /nginx-shard (\d+\.\d+\.\d+) /;

    for my $how ([ shardctl => '--version' ], [ 'shard-predictor' => '--version' ],
                 [ 'shard-migrator' => '-V' ])
    {
        ($status, $out) = $t->run($t->program($how->[0]), $how->[1]);
        is($out, "$how->[0] $newest\n", "@$how: the newest of CHANGES");
    }

    ($status, $out) = bare('--help-markdown');
    is($out, slurp($t->top() . '/docs/shardctl.md'), 'docs/shardctl.md is it');
}


# before there is a table

my ($status, $out, $err) = $t->try_ctl('status');
is($status, 1, 'status without a table');
like($err, qr/no table of keyspace "orders".*shardctl init/, 'what to do');

my $json = $t->ctl('init', '--shards', 8, @nodes, '--driver', 'none');
is($json->{shards}, 8, 'init');
is($json->{nodes}, 3, 'init: nodes');

my $last = decode_json($t->redis()->command('HGET', $t->key('table'), 7));
is($last->{lo}, 'e000000000000000', 'the last shard begins');
is($last->{hi}, undef, 'and goes to the end');
is($last->{primary}, 'n2', 'round robin');
is($last->{epoch}, 1, 'epoch 1');

is($t->redis()->command('HGET', $t->key('meta'), 'policy'),
   '{"driver":"none"}', 'policy');

($status, $out, $err) = $t->try_ctl('init', '--shards', 4, @nodes,
                                    '--driver', 'none');
is($status, 1, 'a table is not replaced');
like($err, qr/a table of 8 shards at version \d+: --force/, 'unless forced');

spew("$dir/nodes.yaml", "nodes:\n"
     . join('', map { "    n$_: { addr: 127.0.0.1:800$_, zone: z"
                      . (2 - $_ % 2) . ", capacity: 100 }\n" } 1 .. 3));
spew("$dir/place.csv", "shard,node\n"
     . join('', map { "$_,n" . ($_ < 10 ? 1 : 2) . "\n" } 0 .. 15));

$json = $t->ctl('init', '--shards', 16, '--nodes', "$dir/nodes.yaml",
                '--placement', "$dir/place.csv", '--driver', 'none',
                '--force', '--consistency', 'eventual');
is($json->{epoch}, 2, 'forced: epochs go on');

my $shards = $t->ctl('shards')->{shards};
is(@$shards, 16, 'shards');
is(join(' ', map { $_->{primary} } @$shards), 'n1 ' x 10 . 'n2 n2 n2 n2 n2 n2',
   'placed as the file says');
is($shards->[15]{consistency}, 'eventual', 'consistency');


# state as the daemons would write it

my $now = time();
my $r = $t->redis();

$r->command('HSET', $t->key('predictor'), 'cursor', '0-0', 'at', $now,
            'mode', 'act', 'state', 'ready');
$r->command('HSET', $t->key('zones'), 'z1',
            qq({"at":$now,"score":0.93,"node":"n1","load":93.0,)
            . qq("capacity":100.0,"peak_at":$now}));
$r->command('HSET', $t->key('routers'), 'edge-1',
            qq({"zone":"z1","instance":"9f","time_ms":${now}000,"workers":2,)
            . qq("version":1,"interval_ms":1000,"rejected":2,"barriers":)
            . qq({"3":{"version":1,"drained":true,"waiting":5}},"ignored":{},)
            . qq("nodes":{"n1":{"inflight":3,"failed":0},"gone":{"state":)
            . qq("down","failed":3,"checked":true,"since_ms":1}}}));
$r->command('HSET', $t->key('routers'), 'edge-2', '{"time_ms":"x"}');
$r->command('HSET', $t->key('override'), 5, 'pinn n1', 9, 'pin n3');

for my $id (0 .. 15) {
    my @mean = map { 8 + $id % 3 + $_ / 10 } 1 .. 12;
    my $list = join(',', @mean);
    my $high = join(',', map { $_ + 2 } @mean);
    $r->command('HSET', $t->key('forecast'), $id,
                qq({"at":$now,"step_s":300,"model":"lagreg","mean":[$list],)
                . qq("q0.5":[$list],"q0.9":[$high]}));
}

# one that is new, and one whose borrowed part is malformed

for my $borrowed ([ 11, '"how":"similar","own_s":21600,"from":[{"shard":4,'
                        . '"similarity":0.931,"weight":0.75,"ratio":0.5},'
                        . '{"shard":9,"similarity":0.9,"weight":0.25,'
                        . '"ratio":2}],"shape":['
                        . join(',', 1 .. 23, 'null') . ']' ],
                  [ 12, '"how":"similar","own_s":"x","from":[7]' ])
{
    my ($id, $text) = @$borrowed;
    $r->command('HSET', $t->key('forecast'), $id,
                qq({"at":$now,"step_s":300,"model":"combined","borrowed":)
                . qq({$text},"mean":[1,2],"q0.5":[1,2],"q0.9":[3,4]}));
}

# one whose level has shifted and that was out, with malformed parts

$r->command('HSET', $t->key('forecast'), 13,
            qq({"at":$now,"step_s":300,"model":"combined","mean":[1,2],)
            . qq("q0.5":[1,2],"q0.9":[3,4],"shifts":[{"since":1735693200,)
            . qq("factor":2.104},{"since":"x"},7],"outages":[{"from":)
            . qq(1735689600,"to":1735693200},{}]}));

spew("$dir/fleet.csv", join('', "epoch," . join(',', map { "s$_" } 0 .. 15)
     . "\n", map { my $e = $now - 300 * (600 - $_);
                   $e -= $e % 300;
                   "$e," . join(',', map { 5 + $_ } 0 .. 15) . "\n" }
             1 .. 600));

my $id = '0123456789abcdef';

$r->command('HSET', $t->key("migration:$id"), 'id', $id, 'shard', 2, 'from',
            'n1', 'to', 'n3', 'strategy', 'log-shipping', 'driver', 'http',
            'epoch', 2, 'by', 'predictor', 'phase', 'copy', 'seq', 4,
            'created_ms', "${now}000", 'phase_ms', "${now}900", 'trail',
            "planned\@${now}000 claimed\@${now}100 check\@${now}150 "
            . "copy\@${now}900", 'bytes', 123456, 'hold_ms', 0, 'reason',
            '{}');
$r->command('ZADD', $t->key('migrations'), "${now}000", $id);
$r->command('HSET', $t->key("decision:$id"), 'id', $id, 'verb', 'move',
            'shard', 2, 'from', 'n1', 'to', 'n3', 'epoch', 2, 'by',
            'predictor', 'mode', 'act', 'decided_ms', "${now}000", 'reason',
            qq({"node":"n1","quantile":0.9,"threshold":0.9,"forecast_load":)
            . qq(109.0,"capacity":100.0,"breach_at":$now,"breach_in_s":2400,)
            . qq("move_s":1500,"load_moved":12.5,"utilisation_from_before":)
            . qq(1.09,"utilisation_from_after":0.96,"utilisation_to_after":)
            . qq(0.12,"base":9.5,"at":$now}));

$json = $t->ctl('history', 'import', "$dir/fleet.csv");
is($json->{rows}, 600, 'history import');


# every command for people and as JSON

my @human = (
    [ [ 'status' ], qr/override "pinn n1" of shard 5 is ignored:.*"pin"/ ],
    [ [ 'status' ], qr/router "edge-1" refused 2 table updates/ ],
    [ [ 'status' ], qr/keyspace orders.*mode act, ready/s ],
    [ [ 'shards', '--from', 3, '--limit', 2 ], qr/^ +3 .*\n +4 .*\n\z/m ],
    [ [ 'nodes' ], qr/^n1 +z1 +up +127\.0\.0\.1:8001 +10 +95\.0 +100\.0 +95%/m ],
    [ [ 'zones' ], qr/^z1 +93%.* n1 +93\.0/m ],
    [ [ 'routers' ], qr/^edge-1 +z1 +(behind|lost) +1 +\d+ +1 +5 +3 +2 +2 +1/m ],
    [ [ 'routers' ], qr/^edge-2 +- +bad/m ],
    [ [ 'migrations' ], qr/^$id +2 +n1 +n3 +copy +21%/m ],
    [ [ 'explain', $id ], qr/109\.0 requests\/s of its capacity of 100\.0/ ],
    [ [ 'explain', $id ], qr/^of it 9\.5 is there without any shard/m ],
    [ [ 'explain', $id ], qr/in 40 min 00 s; a move takes 25 min 00 s/ ],
    [ [ 'explain', $id ], qr/^check +\S+ \S+ +750 ms$/m ],
    [ [ 'forecast', 3 ], qr/model lagreg.*MEAN req\/s.*Q0\.9 req\/s/s ],
    [ [ 'forecast', 3, '--plot' ], qr/requests\/s\n.*[*\xe2].*forecast/s ],
    [ [ 'forecast', 11 ], qr/^it has 6 h 00 min of its own;.* 4, 9$/m ],
    [ [ 'explain', 11 ], qr/^LIKE SHARD +SIMILARITY.*\n +4 +93% +75% +50%$/m ],
    [ [ 'explain', 11 ], qr/the borrowed day, requests\/s by hour/ ],
    [ [ 'forecast', 13 ], qr/^level: x2\.10 since \S+ \S+;/m ],
    [ [ 'explain', 13 ], qr/^level: x2\.10 since .*\noutage: \S+ \S+ to \S+ \S+, left/m ],
    [ [ 'explain', 9 ], qr/^shard 9 on n\d\nan operator overrides it: pin n3$/m ],
    [ [ 'explain', 5 ], qr/^an operator's override of it is ignored: pinn n1: .*"pin"/m ],
    [ [ 'forecast', 12 ], qr/model combined, made at [^\n]*\n\n/ ],
    [ [ 'history', 'show', 3, '--limit', 2 ], qr/ 8\.0\n.* 8\.0\n\z/ ],
    [ [ 'override' ], qr/^5 +pinn n1 +ignored/m ],
    [ [ 'watch', '--once' ], qr/forecast by zone/ ],
    [ [ 'watch', '--for', '300ms', '--interval', '100ms' ],
      qr/zone z1  forecast peak 93% used, node n1/ ],
    [ [ 'migrate', 4, 'n3', '--dry-run' ],
      qr/would move shard 4 from n1 to n3.*n1 95% -> 86%, n3 0% -> 9%/s ],
);

for (@human) {
    my ($args, $like) = @$_;
    my ($rc, $text, $errors) = $t->try_ctl(@$args);
    is($rc, 0, "@$args") or diag($errors);
    like($text, $like, "@$args: text");
}

my %seen;

for my $args (grep { !$seen{"@$_"}++ } map { $_->[0] } @human) {
    next if "@$args" =~ /--for/;
    my ($rc, $text, $errors) = $t->try_ctl(@$args, '--json');
    is($rc, 0, "@$args --json") or diag($errors);
    ok(eval { ref decode_json($text) }, "@$args --json: JSON") or diag($text);
}

# health: what routers that live say

$r->command('HSET', $t->key('routers'), 'edge-3',
            '{"time_ms":' . time() . '000,"version":1,"nodes":{"n3":'
            . '{"state":"down"},"n1":{"state":"up"},"n2":"?","n9":'
            . '{"state":"down"}}}');

is_deeply({ map { $_->{name} => $_->{dead_by} } @{ $t->ctl('nodes')->{nodes} } },
          { n1 => undef, n2 => undef, n3 => [ 'edge-3' ] }, 'nodes: dead_by');
like(($t->try_ctl('nodes'))[1], qr/^n3 .* edge-3$/m, 'nodes: DEAD FOR');
like(($t->try_ctl('status'))[1], qr/node "n3" is dead to 1 of 3 routers/,
     'status: a dead node is a problem');
$r->command('HDEL', $t->key('routers'), 'edge-3');

($status, $out) = $t->try_ctl('watch', '--for', '200ms', '--json');
is((grep { !eval { decode_json($_)->{what} } } split /\n/, $out), 0,
   'watch --json: each line is JSON');

# a split stays on its node

my $cut = '00000000000000e5';
my @cut = (id => $cut, verb => 'split', shard => 2, from => 'n1', to => 'n1',
           mode => 'act', by => 'operator:eva', reason => '{}');

$r->command('HSET', $t->key("decision:$cut"), @cut);
my $entry_id = $r->command('XADD', $t->key('decisions'), '*', @cut);
like(($t->try_ctl('explain', $cut))[1], qr/^$cut: split shard 2 on n1$/m,
     'explain of a split');
like(($t->try_ctl('watch', '--for', '200ms'))[1],
     qr/decision $cut  split shard 2 on n1, mode act/, 'watch of a split');
$r->command('XDEL', $t->key('decisions'), $entry_id);

SKIP: {
    skip 'no gnuplot', 2 if !grep { -x "$_/gnuplot" } split /:/, $ENV{PATH};

    ($status, $out, $err) = $t->try_ctl('forecast', 3, '--plot', "$dir/o'k.png");
    is($status, 0, 'forecast --plot FILE.png') or diag($err);
    like(slurp("$dir/o'k.png"), qr/^\x89PNG/, 'is a PNG');
}


# changes, in order

my @changes = (
    [ [ 'node', 'add', 'n4', '[::1]:8004', '--zone', 'z2', '--capacity',
        '50.5' ], 'outcome', 'added' ],
    [ [ 'node', 'drain', 'n4' ], 'outcome', 'draining' ],
    [ [ 'node', 'down', 'n4' ], 'outcome', 'down' ],
    [ [ 'node', 'up', 'n4' ], 'outcome', 'up' ],
    [ [ 'node', 'remove', 'n4' ], 'outcome', 'removed' ],
    [ [ 'override', 6, 'pin n2 until 2099-01-01T00:00Z' ], 'before', undef ],
    [ [ 'override', 6, 'hold' ], 'before', 'pin n2 until 2099-01-01T00:00Z' ],
    [ [ 'override', '--clear', 6 ], 'before', 'hold' ],
    [ [ 'pause', $id ], 'wish', 'pause' ],
    [ [ 'resume', $id ], 'wish', '' ],
    [ [ 'rollback', $id ], 'wish', 'rollback' ],
    [ [ 'migrate', 4, 'n3' ], 'again', JSON::PP::false ],
    [ [ 'migrate', 4, 'n3' ], 'again', JSON::PP::true ],
);

for (@changes) {
    my ($args, $key, $want) = @$_;
    is($t->ctl(@$args)->{$key}, $want, "@$args");
}


# the policy: fields over fields, or all of it

sub policy { return $t->ctl('policy', 'get') }

my $had = policy();

spew("$dir/policy.json", '{"zone_distance": {"z1 z2": 7}, "mirror": null}');

is($t->ctl('policy', 'set', '{"mirror":250,"mine":[1]}')->{outcome}, 'set',
   'policy set');
is_deeply(policy(), { %$had, mirror => 250, mine => [ 1 ] }, 'policy get');
$t->ctl('policy', 'set', '--file', "$dir/policy.json");
is_deeply(policy(), { %$had, mine => [ 1 ], zone_distance => { 'z1 z2' => 7 } },
          'null takes a field away, the others stay');
is(($t->try_ctl('policy', 'set', '{"mirror":10001}'))[0], 2,
   'what routers would refuse is refused');
is_deeply(policy(), { %$had, mine => [ 1 ], zone_distance => { 'z1 z2' => 7 } },
          'and nothing was written');
$t->ctl('policy', 'set', '--replace', encode_json($had));
is_deeply(policy(), $had, 'policy set --replace');
like(($t->try_ctl('policy', 'get'))[1], qr/^\{\n    "driver": "\w+"\n\}\n\z/,
     'policy get, to be read');

my ($entry) = reverse @{ $r->command('XRANGE', $t->key('decisions'), '-', '+') };
my %decision = @{ $entry->[1] };

is($decision{shard}, 4, 'the decision in the stream');
is($decision{mode}, 'act', 'is to be carried out');
like($decision{by}, qr/^operator:\S+$/, 'by an operator');
ok(decode_json($decision{reason})->{operator}, 'who is named in the reason');
is($r->command('HGET', $t->key("decision:$decision{id}"), 'to'), 'n3',
   'and found by its id');
is($r->command('XLEN', $t->key('decisions')), 1, 'the same wish once');

# a recommendation is overtaken by the order

$r->command('HSET', $t->key("decision:$decision{id}"), 'mode', 'recommend');
ok(!$t->ctl('migrate', 4, 'n3')->{again}, 'ordered over a recommendation');
is($r->command('XLEN', $t->key('decisions')), 2, 'into the stream');

# --wait; a move that was rolled back is ordered again, and its migrator ends it
# only after the order

my $moved = $t->key("migration:$decision{id}");

sub ends {
    my ($own, $phase) = @_;
    $own->command('HINCRBY', $moved, 'seq', 1);
    $own->command('HSET', $moved, 'id', $decision{id}, 'shard', 4, 'from',
                  'n1', 'to', 'n3', 'phase', $phase, 'error',
                  $phase eq 'rolled-back' ? 'digests differ' : '');
}

ends($r, 'rolled-back');

for my $end ([ 'rolled-back', 1 ], [ 'done', 0 ]) {
    my $length = $r->command('XLEN', $t->key('decisions'));

    defined(my $pid = fork()) or die "cannot fork: $!\n";

    if ($pid == 0) {
        my $own = ShardTest::Redis->new($addr);
        eval {
            wait_for { $own->command('XLEN', $t->key('decisions')) > $length }
                     5, 'the order';
            ends($own, $end->[0]);
        };
        POSIX::_exit(0);
    }

    ($status, $out, $err) = $t->try_ctl('migrate', 4, 'n3', '--wait',
                                        '--timeout', '10s');
    waitpid($pid, 0);

    is($status, $end->[1], "migrate --wait: $end->[0]") or diag($err);
    like($err, qr/ended as "rolled-back": digests differ/, 'and why')
        if $end->[1];
}

# after the commit a rollback is the way back

$r->command('HSET', $t->key("migration:$id"), 'phase', 'done', 'to', 'n1',
            'from', 'n3', 'shard', 7);
is($t->ctl('rollback', $id)->{to}, 'n3', 'rollback after the commit');

# ... and what is back is not taken back again: no failure, nothing done

{
    my $decided = $r->command('XLEN', $t->key('decisions'));
    my $from = $t->shard_record(7)->{primary};

    $r->command('HSET', $t->key("migration:$id"), 'from', $from, 'to', 'n3');
    my ($status, undef, $err) = $t->try_ctl('rollback', $id);
    like("$status $err", qr/^3 .*shard 7 is back on node "$from" already/,
         'rollback of what is back');

    $r->command('HSET', $t->key("migration:$id"), 'phase', 'rolled-back');
    ($status, undef, $err) = $t->try_ctl('rollback', $id);
    like("$status $err", qr/^3 .*is rolled back already/, 'rolled back already');
    is($r->command('XLEN', $t->key('decisions')), $decided, 'nothing is decided');
}

# --wait of a way back: what was to follow does not, and is not waited for

{
    my $key = $t->key("migration:$id");
    my $next = '00000000000000ab';

    $r->command('HSET', $key, 'phase', 'copy', 'wish', '', 'next', $next);
    like(($t->try_ctl('migrations', $id))[1], qr/^what follows it: $next$/m,
         'what is to follow');

    defined(my $pid = fork()) or die "cannot fork: $!\n";

    if ($pid == 0) {
        my $own = ShardTest::Redis->new($addr);
        eval {
            wait_for { $own->command('HGET', $key, 'wish') eq 'rollback' } 10,
                     'the wish';
            $own->command('HSET', $key, 'phase', 'rolled-back');
        };
        POSIX::_exit(0);
    }

    my ($status, undef, $err) = $t->try_ctl('rollback', $id, '--wait',
                                            '--timeout', '10s');
    waitpid($pid, 0);

    is($status, 0, 'rollback --wait of one that another was to follow')
        or diag($err);
    unlike(($t->try_ctl('migrations', $id))[1], qr/what follows it/,
           'which does not come any more');
    $r->command('HDEL', $key, 'next');
}


# SHARD_REDIS, SHARD_KEYSPACE, the unix socket, options before and behind

{
    local $ENV{SHARD_KEYSPACE} = 'orders';
    local $ENV{SHARD_REDIS} = $addr;
    is((bare('nodes', '--json'))[0], 0, 'by the environment');
}

SKIP: {
    skip 'the path of the socket is too long', 1 if !$t->{redis_socket};
    is((bare('nodes', "--redis=unix:$t->{redis_socket}", '-korders'))[0], 0,
       'by the unix socket');
}

is((bare('status', '--redis', $addr, '--keyspace', 'orders'))[0], 0,
   'global options behind the command');

unlike((bare('--redis', $addr, '-k', 'orders', 'status'))[1], qr/\e\[/,
       'no colour where there is no terminal');


# a password

$r->command('CONFIG', 'SET', 'requirepass', 'sesame');
spew("$dir/pw", "sesame\n");
is((bare('--redis', $addr, '-k', 'orders', 'zones', '--password-file',
         "$dir/pw"))[0], 0, '--password-file');
is((bare('--redis', "redis://:sesame\@$addr/0", '-k', 'orders', 'zones'))[0],
   0, 'the password in the URL');
($status, $out, $err) = bare('--redis', $addr, '-k', 'orders', 'zones');
is($status, 1, 'without the password');
like($err, qr/NOAUTH|[Aa]uthentication/, 'it says so');
$r->command('CONFIG', 'SET', 'requirepass', '');

$t->finish();

done_testing();
