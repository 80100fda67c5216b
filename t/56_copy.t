#!/usr/bin/perl

# Copies that break off, are held back, or are lied to.  A shard's data are
# put in by a snapshot, and a rate makes a copy long enough to be broken.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;


my $RATE = 6_000_000;           # bytes a second: about 3 s for a copy
my $ITEMS = 12_000;

my $t = ShardTest->new(shards => 8);
my $http = HTTP::Tiny->new(timeout => 20);
my $wishes = 0;
my $migrators = 0;

$t->start_redis();
$t->start_nodes(3);
$t->seed(place => sub { 'n1' });

my $r = $t->redis();


sub migrator {
    my ($rate) = @_;

    my $name = 'm' . ++$migrators;

    $t->start_daemon('shard-migrator', $name,
        "keyspace: orders\nname: $name\nredis:\n  addr: " . $t->redis_addr()
        . "\nscan: 20ms\nclaim:\n  ttl: 1500ms\n"
        . "copy:\n  rate: $rate\n  parts_from: 1000000\n"
        . "gate:\n  probes: 3\n  probe_interval: 2ms\n  latency_floor: 5s\n"
        . "  down_after: 30s\n");
    return $name;
}


sub url { return "http://$t->{nodes}{$_[0]}{addr}/_shard/$_[1]" }


sub node {
    my ($node, $shard, $path) = @_;
    return decode_json($http->get(url($node, "$shard/$path"))->{content});
}


sub role {
    my ($node, $shard, $role, $epoch) = @_;
    $http->put(url($node, "$shard/role"),
               { content => qq!{"role":"$role","epoch":$epoch}! });
}


sub digest {
    my ($node, $shard) = @_;

    my $got = $http->get(url($node, "$shard/digest?parts=64&scan=yes"));

    die "$node shard $shard: $got->{status} $got->{content}\n"
        if !$got->{success};
    return $got->{content};
}


my $value = encode_base64('v' x 1000, '');
my $lines = join '', map { qq!{"k":"key$_","v":"$value"}\n! } 1 .. $ITEMS;


sub fill {
    my ($shard) = @_;

    role('n1', $shard, 'standby', 1);
    my $status = $http->put(url('n1', "$shard/snapshot"), {
        content => $lines, headers => { 'X-Shard-Position' => 5000 } })->{status};
    role('n1', $shard, 'primary', 1);
    is($status, 204, "shard $shard has data on n1");
}


sub decide {
    my ($shard, $to) = @_;

    my $rec = $t->shard_record($shard);
    my $id = sprintf '%016x', 0xc0b1e5 + ++$wishes;

    $r->command('XADD', $t->key('decisions'), '*', id => $id, verb => 'move',
                shard => $shard, from => $rec->{primary}, to => $to,
                epoch => $rec->{epoch}, by => 'operator:test', mode => 'act',
                reason => '{}', decided_ms => int(time() * 1000));
    return $id;
}


sub migration { return $r->hash($t->key("migration:$_[0]")) }

sub parts { return sprintf('%b', migration($_[0])->{copy_parts} || 0) =~ tr/1// }


sub ended {
    my ($id) = @_;

    wait_for { (migration($id)->{phase} || '') =~ /^(done|rolled-back)$/ }
             60, "the end of migration $id";
    return migration($id);
}


sub under_way {
    my ($id) = @_;
    wait_for { parts($id) >= 15 } 30, "15 parts of $id";
}


sub tries {
    return () = $t->process("m$migrators")->log_text() =~ /trying again/g;
}


sub put {
    my ($shard, $key) = @_;

    my $rec = $t->shard_record($shard);
    return 0 if ($rec->{phase} || 'steady') eq 'held';
    return $http->put("http://$t->{nodes}{$rec->{primary}}{addr}/kv/$key", {
        content => "new $key", headers => {
            'X-Shard-Id' => $shard, 'X-Shard-Role' => 'primary',
            'X-Shard-Epoch' => $rec->{epoch} } })->{status} == 204;
}


sub arrived {
    my ($name, $id, $shard, $from, $to) = @_;

    my $m = ended($id);

    is($m->{phase}, 'done', "$name: it arrives") or diag explain $m;
    is(digest($to, $shard), digest($from, $shard), "$name: both hold the same");
    return $m;
}


# the migrator is killed; what is there is not sent again, and no byte comes
# faster than the rate

fill(0);

my $m1 = migrator($RATE);
my $sent = node('n1', 0, 'stats')->{streamed};
my $began = time();
my $id = decide(0, 'n2');

under_way($id);
ok(put(0, "during$_"), "written during the copy: $_") for 1 .. 5;
is((grep { put(0, "key$_") } 1 .. 20), 20, '... and over what is there');

my $streamed = node('n1', 0, 'stats')->{streamed} - $sent;
my $took = time() - $began;

$t->process($m1)->kill();
my $parts = parts($id);

cmp_ok($streamed, '<=', $RATE * ($took + 0.05) + 2_000_000,
       "the rate is kept: $streamed bytes in $took s");
is((migration($id)->{phase} || ''), 'copy', "killed in the copy, $parts parts there");
is((grep { put(0, "between$_") } 1 .. 5), 5, '... and written meanwhile');

migrator(0);
my $m = arrived('migrator killed', $id, 0, 'n1', 'n2');

is($m->{copy_resumed}, 1, 'migrator killed: the copy went on');
cmp_ok($m->{copy_sent}, '<=', 65, "migrator killed: $m->{copy_sent} parts sent");
cmp_ok(node('n1', 0, 'stats')->{streamed} - $sent, '<=',
       length($lines) * (1 + 2 / 64) + 200_000,
       'migrator killed: hardly a byte was sent twice');
is($m->{copies}, 1, 'migrator killed: one copy');


# a node is killed, and comes back

$t->process("m$migrators")->stop();
migrator($RATE);

for my $who (qw/ n3 n1 /) {
    my $shard = $who eq 'n3' ? 1 : 2;
    my $name = $who eq 'n3' ? 'target killed' : 'source killed';

    fill($shard);
    $id = decide($shard, 'n3');
    under_way($id);
    ok(put($shard, 'before'), "$name: written before");
    my $told = tries();
    $t->process($who)->kill();
    wait_for { tries() > $told } 20, 'the migrator to miss it';
    $t->process($who)->start();
    $m = arrived($name, $id, $shard, 'n1', 'n3');

    cmp_ok($m->{copy_resumed}, '>=', 1, "$name: the copy went on");
    cmp_ok($m->{copy_sent}, '<=', 66, "$name: $m->{copy_sent} parts sent");
    is($m->{copies}, 1, "$name: one copy");
}


# a target that comes back with nothing

fill(3);
$id = decide(3, 'n2');
under_way($id);
role('n2', 3, 'standby', 1);
role('n2', 3, 'none', 1);
role('n2', 3, 'standby', 1);
$m = arrived('data lost', $id, 3, 'n1', 'n2');
cmp_ok($m->{copy_sent} + $m->{repaired}, '>=', 64, 'data lost: all is sent again');


# a standby with a part that is damaged: it alone is sent again

$t->process("m$migrators")->stop();
migrator(0);

my $at = node('n1', 0, 'stats')->{position};
is($http->put(url('n1', '0/snapshot?parts=64&part=9'), {
       content => '', headers => { 'X-Shard-Position' => $at } })->{status},
   204, 'a part of a standby is damaged');
isnt(digest('n1', 0), digest('n2', 0), '... which the digests tell');

$sent = node('n2', 0, 'stats')->{streamed};
$id = decide(0, 'n1');
$m = arrived('damaged part', $id, 0, 'n2', 'n1');
is($m->{copies}, 0, 'damaged part: no copy');
is($m->{repaired}, 1, 'damaged part: it was repaired');
cmp_ok(node('n2', 0, 'stats')->{streamed} - $sent, '<', length($lines) / 10,
       'damaged part: with few bytes');


# a source that says what it likes; each connection one request

sub liar {
    my ($name, $epoch, $snapshot) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Listen => 64)
        or die "listen: $!";
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        $SIG{PIPE} = 'IGNORE';
        alarm 120;                      # it does not outlive a test that dies

        while (my $s = $listen->accept()) {
            my $head = '';
            while (defined(my $line = <$s>)) {
                $head .= $line;
                last if $line eq "\r\n";
            }
            my $body = '{"role":"primary","epoch":' . $epoch
                       . ',"position":5000,"items":1,'
                       . '"bytes":9000000,"free_bytes":9000000,"write_rate":0,'
                       . '"parts":64}';
            if ($head =~ m!^GET \S+/snapshot!) {
                $snapshot->($s);
            } else {
                print $s "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
                         . length($body) . "\r\n\r\n$body";
            }
            close $s;
        }
        POSIX::_exit(0);
    }

    my $addr = '127.0.0.1:' . $listen->sockport();
    close $listen;
    $t->{nodes}{$name} = { name => $name, addr => $addr, zone => 'z1', capacity => 1000 };
    $t->committed('keyspace', 'node', $name, encode_json(
        { addr => $addr, zone => 'z1', capacity => 1000, state => 'up' }));
    return $pid;
}

my $chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
my $line = qq!{"k":"x","v":"eA=="}\n!;

my %lies = (
    'no position' => sub { print { $_[0] } "$chunked\r\n14\r\n$line\r\n0\r\n\r\n" },
    'a bad position' => sub {
        print { $_[0] } "${chunked}X-Shard-Position: -3\r\n\r\n0\r\n\r\n" },
    'an endless line' => sub {
        print { $_[0] } "${chunked}X-Shard-Position: 5000\r\n\r\n";
        for (1 .. 400) { print { $_[0] } "4000\r\n", 'x' x 16384, "\r\n" or last }
        print { $_[0] } "0\r\n\r\n" },
    'a chunk cut off' => sub {
        print { $_[0] } "${chunked}X-Shard-Position: 5000\r\n\r\nffff\r\n$line" },
    'another part\'s key' => sub {
        print { $_[0] } "${chunked}X-Shard-Position: 5000\r\n\r\n"
            . join('', map { my $l = qq!{"k":"k$_","v":""}\n!;
                             sprintf("%x\r\n%s\r\n", length $l, $l) } 1 .. 300)
            . "0\r\n\r\n" },
    'no HTTP' => sub { print { $_[0] } "\0\1\2" x 100 },
);

$t->process("m$migrators")->stop();
my $hasty = 'm' . ++$migrators;
$t->start_daemon('shard-migrator', $hasty,
    "keyspace: orders\nname: $hasty\nredis:\n  addr: " . $t->redis_addr()
    . "\nscan: 20ms\ncopy:\n  parts_from: 0\n  latency_ratio: 0\n"
    . "gate:\n  down_after: 500ms\n");

my $n = 0;

for my $lie (sort keys %lies) {
    my $name = 'liar' . ++$n;
    my $pid = liar($name, 1 + $n, $lies{$lie});

    $t->commit_shards({ primary => $name, epoch => 1 + $n }, 5);
    $id = decide(5, 'n2');
    $m = ended($id);

    is($m->{phase}, 'rolled-back', "$lie: rolled back");
    like($m->{error}, qr/^copy: /, "$lie: in the copy")
        or diag explain $m;
    my $stats = node('n2', 5, 'stats');
    is("$stats->{role} $stats->{items}", 'none 0', "$lie: nothing of it stays");

    kill 'KILL', $pid;
    waitpid $pid, 0;
}

ok($t->process($hasty)->alive(), 'the migrator is alive');
$t->finish();

done_testing();
