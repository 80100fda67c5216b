#!/usr/bin/perl

# shardkv --store redis://: values with and without a TTL, queues with
# consumer groups, roles; what it refuses, and what a crash leaves.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardKv;
use ShardTest;

my $t = ShardTest->new();
my $password = "$t->{dir}/password";

spew($password, "s3cret\n");
$t->start_data_redis('d1', '--requirepass', 's3cret');

my $url = "redis://$t->{data}{d1}/2";
my @store = ('--store', $url, '--store-password-file', $password);
my $kv = ShardKv->start(@store, '--log-keep', 50);
my $redis = ShardTest::Redis->new($t->{data}{d1}, password => 's3cret');

$redis->command('SELECT', 2);


sub is_refused {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is("$r->{status} $r->{code}", "$status $code", $name)
        or diag($r->{content});
}


sub stats {
    my ($shard) = @_;
    return $kv->call('GET', '/_shard/' . ($shard // 7) . '/stats')->{json};
}


sub put { return $kv->routed(7, 3, 'PUT', "/kv/$_[0]", $_[1]) }
sub get { return $kv->routed(7, 3, 'GET', "/kv/$_[0]") }
sub append { return $kv->routed(7, 3, 'POST', "/queue/$_[0]", $_[1]) }


sub entries {
    my ($r) = @_;

    return join ' ', map { "$_->{n}:" . decode_base64($_->{v}) }
                     map { decode_json($_) } split /\n/, $r->{content};
}


sub take {
    my ($queue, $group, $consumer, $limit) = @_;

    return $kv->routed(7, 3, 'POST', "/take/$queue?group=$group&consumer="
                       . $consumer . ($limit ? "&limit=$limit" : ''), '');
}


sub ack {
    my ($queue, $group, $consumer, $n) = @_;

    return $kv->routed(7, 3, 'POST', "/ack/$queue?group=$group&consumer="
                       . "$consumer&n=$n", '');
}


# roles and the 421 rules, as with LMDB

is($kv->call('GET', '/health')->{status}, 200, 'health');
is_refused($kv->routed(7, 1, 'GET', '/kv/a'), 421, 'misdirected', 'no role');
is_refused($kv->call('GET', '/kv/a'), 421, 'misdirected',
           'no role, no headers');

is_deeply($kv->role(7, 'primary', 3)->{json},
          { role => 'primary', epoch => 3, position => 0 }, 'made primary');
is($kv->role(7, 'primary', 3)->{status}, 200, 'the same role again');
is_refused($kv->role(7, 'primary', 2), 409, 'epoch', 'an older epoch');

for my $role (qw/ standby none /) {
    is_refused($kv->call('PUT', '/_shard/7/role', {},
                         qq!{"role":"$role","epoch":3,"keep_primary":true}!),
               409, 'primary', "$role at a primary's own epoch, kept");
}

is(put('a', 'one')->{status}, 204, 'put');
is_refused($kv->routed(7, 2, 'PUT', '/kv/a', 'x'), 421, 'misdirected',
           'sender older than the owner');
is_refused($kv->routed(7, 4, 'PUT', '/kv/a', 'x'), 421, 'misdirected',
           'sender newer than the owner');
is_refused($kv->routed(8, 3, 'GET', '/kv/a'), 421, 'misdirected',
           'another shard');
is($kv->call('GET', '/kv/a')->{content}, 'one', 'by hand: the only shard');


# values

is(get('a')->{content}, 'one', 'get');
is(put('a', "two\0\xff" x 9)->{position}, 2, 'each write has a position');
is(get('a')->{content}, "two\0\xff" x 9, 'bytes as they are');
is_refused(get('none'), 404, 'not_found', 'no such key');
is(put('empty', '')->{status}, 204, 'an empty value');
is(get('empty')->{content}, '', 'is one');
is($kv->routed(7, 3, 'DELETE', '/kv/empty')->{status}, 204, 'delete');
is_refused($kv->routed(7, 3, 'DELETE', '/kv/empty'), 404, 'not_found',
           'once');
is(put('big', 'x' x 1048576)->{status}, 204, '1 MiB');
is(length get('big')->{content}, 1048576, 'comes back');

my $s = stats();
is("@$s{qw/ role epoch position items bytes held /}",
   "primary 3 5 2 1048625 " . JSON::PP::false, 'counted');
cmp_ok($s->{free_bytes}, '>', 1e6, 'and there is room');
cmp_ok($s->{write_rate}, '>', 0, 'and a rate');


# TTL

is($kv->routed(7, 3, 'PUT', '/kv/short?ttl_ms=300', 'x')->{status}, 204,
   'a value for 300 ms');
is($kv->routed(7, 3, 'PUT', '/kv/long?ttl_ms=3600000', 'x')->{status}, 204,
   'one for an hour');
wait_for { get('short')->{status} == 404 } 10, 'the short one to end';
is(get('long')->{content}, 'x', 'the other is there');
is(stats()->{items}, 3, 'what ended is not counted');
is(put('long', 'stays')->{status}, 204, 'written without a TTL');
is($redis->command('PTTL', 'shardkv:{7}:0:k:long'), -1, 'it stays');
is($redis->command('HEXISTS', 'shardkv:{7}:0:index', 'k:short'), 0,
   'the name of what ended is gone, too');


# queues

is(append('q', "e$_")->{json}{n}, $_, "entry $_") for 1 .. 4;
is(entries($kv->routed(7, 3, 'GET', '/queue/q?from=1&limit=2')),
   '2:e2 3:e3', 'a part of it');
is(stats()->{queue_depth}, 4, 'nobody has taken any');

is(entries(take('q', 'g', 'c', 2)), '1:e1 2:e2', 'two are taken');
is(entries(take('q', 'g', 'c', 2)), '1:e1 2:e2',
   'and again, until they are acknowledged');
is_refused(take('q', 'g', 'd'), 423, 'busy', 'nobody overtakes');
is(ack('q', 'g', 'd', 2)->{json}{acked}, 0, 'nor acknowledges for another');
is(ack('q', 'g', 'c', 1)->{json}{acked}, 1, 'one is acknowledged');
is(stats()->{queue_depth}, 3, 'and does not count any more');
is(entries(take('q', 'g', 'c', 2)), '2:e2', 'the other is still due');
is(ack('q', 'g', 'c', 9)->{json}{acked}, 1, 'acknowledged up to a number');
is(entries(take('q', 'g', 'd')), '3:e3', 'now the other consumer');
is(entries($kv->routed(7, 3, 'GET', '/queue/q')), '3:e3 4:e4',
   'what all have acknowledged is gone');
is(append('q', 'e5')->{json}{n}, 5, 'numbers go on');

is(entries(take('q', 'h', 'x', 1)), '3:e3', 'a second group');
is(stats()->{queue_depth}, 6, 'counts for itself');
is(ack('q', 'g', 'd', 3)->{json}{acked}, 1, 'the first is through with it');
is(entries($kv->routed(7, 3, 'GET', '/queue/q')), '3:e3 4:e4 5:e5',
   'the second is not');
is(take('none', 'g', 'c')->{content}, '', 'of no queue nothing is taken');
is_refused(ack('none', 'g', 'c', 1), 404, 'not_found', 'nor acknowledged');

is_refused($kv->call('POST', '/_shard/7/hold?epoch=999'), 409, 'epoch',
           'hold: not of another epoch');
is($kv->call('POST', '/_shard/7/hold')->{status}, 204, 'hold');
is_refused(take('q', 'h', 'x'), 423, 'held', 'held: nothing is delivered');
is_refused($kv->routed(7, 3, 'GET', '/queue/q'), 423, 'held', 'nor listed');
is(ack('q', 'h', 'x', 3)->{status}, 200, 'but acknowledged');
is(append('q', 'e6')->{status}, 200, 'and accepted');
is($kv->call('POST', '/_shard/7/resume')->{status}, 204, 'resume');
is(entries(take('q', 'h', 'x', 9)), '4:e4 5:e5 6:e6', 'delivered again');


# what moves such data is named

for my $call ([ GET => 'snapshot' ], [ PUT => 'snapshot' ],
              [ GET => 'log?from=0' ], [ POST => 'log' ], [ GET => 'digest' ])
{
    my ($method, $path) = @$call;
    my $r = $kv->call($method, "/_shard/7/$path", { 'X-Shard-Position' => 1 },
                      $method eq 'GET' ? undef : "{}\n");

    is_refused($r, 501, 'not_offered', "$method $path");
    like($r->{content}, qr/driver \\"redis\\"/, '... says what moves them');
}


# many clients at once: each append has a number of its own, in its order

my @pids;

for my $client (1 .. 4) {
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        my $last = 0;
        my $ok = 1;

        for (1 .. 50) {
            my $n = append('many', "$client:$_")->{json}{n} || 0;
            $ok &&= $n > $last;
            $last = $n;
        }

        POSIX::_exit($ok ? 0 : 1);
    }

    push @pids, $pid;
}

for my $pid (@pids) {
    waitpid($pid, 0);
    is($?, 0, 'a client saw growing numbers');
}

my @got = split / /, entries($kv->routed(7, 3, 'GET', '/queue/many'));
is(scalar @got, 200, 'all of them are there');

for my $client (1 .. 4) {
    is(join(' ', map { /:$client:(\d+)$/ } @got), join(' ', 1 .. 50),
       "client $client in its order");
}

$s = stats();
cmp_ok($s->{log_first}, '>', 1, 'the log is trimmed');
cmp_ok($s->{position} - $s->{log_first}, '>=', 49, 'to what was asked');


# sealed, given up, and what is given up is deleted

is($kv->role(7, 'standby', 3)->{json}{position}, $s->{position}, 'sealed');
is_refused(put('a', 'x'), 421, 'misdirected', 'takes no writes');
is_refused(take('q', 'h', 'x'), 421, 'misdirected', 'gives nothing out');
is($kv->routed(7, 3, 'GET', '/kv/long', undef, 'standby')->{content},
   'stays', 'but is read as standby');
is($kv->role(7, 'none', 4)->{json}{position}, 0, 'given up');
is_refused($kv->role(7, 'primary', 3), 409, 'epoch', 'the epoch stands');

wait_for {
    $kv->call('GET', '/health');
    !grep { /\{7\}:0:/ } @{ $redis->command('KEYS', 'shardkv:*') }
} 10, 'the data to be deleted';

is($kv->role(7, 'primary', 5)->{status}, 200, 'primary again');
is_refused($kv->routed(7, 5, 'GET', '/kv/long'), 404, 'not_found', 'empty');


# crashes: of the node, of Redis, of both

is($kv->routed(7, 5, 'PUT', '/kv/kept', 'yes')->{status}, 204, 'a write');
$kv->kill9();
$t->process('d1')->kill();
$t->process('d1')->start();
$kv->again();
is($kv->routed(7, 5, 'GET', '/kv/kept')->{content}, 'yes',
   'both killed: it is there');
is_refused($kv->routed(7, 4, 'PUT', '/kv/kept', 'no'), 421, 'misdirected',
           'and so is the epoch');

$t->process('d1')->kill();
like($kv->routed(7, 5, 'PUT', '/kv/x', 'y')->{status}, qr/^50[03]$/,
     'Redis dead: a write fails');
like($kv->call('GET', '/health')->{status}, qr/^50[03]$/, 'and health');
$t->process('d1')->start();
wait_for { $kv->call('GET', '/health')->{status} == 200 } 20,
         'the node to find it again';
is($kv->routed(7, 5, 'PUT', '/kv/x', 'y')->{status}, 204, 'it serves again');

$redis = ShardTest::Redis->new($t->{data}{d1}, password => 's3cret');
$redis->command('FUNCTION', 'FLUSH');
is($kv->routed(7, 5, 'GET', '/kv/x')->{content}, 'y',
   'without its library: it loads it');

$redis->command('CONFIG', 'SET', 'maxmemory', 1);
is_refused($kv->routed(7, 5, 'PUT', '/kv/z', 'y'), 507, 'full', 'full');
is($kv->routed(7, 5, 'DELETE', '/kv/x')->{status}, 204, 'full: deletes');
is($kv->role(7, 'standby', 5)->{status}, 200, 'full: can be sealed');


# mistakes at the start

sub fails {
    my ($name, $status, $like, @args) = @_;

    my ($got, undef, $err) = $t->run(ShardKv::binary(), '--listen',
                                     '127.0.0.1:0', @args);

    like($err, $like, $name);
    is($got, $status, "$name: exit status");
}

fails('no password', 1, qr/NOAUTH/, '--store', $url);
spew($password, "wrong\n");
fails('a wrong password', 1, qr/AUTH.*wrong/, @store);
fails('a password in the URL', 1, qr/--store-password-file/, '--store',
      "redis://:s3cret\@$t->{data}{d1}");
fails('nobody there', 1, qr/refused/, '--store',
      'redis://127.0.0.1:' . free_port());
fails('another scheme', 2, qr!none of postgres:// redis://;!, '--store',
      'mysql://a');
fails('no URL', 1, qr/number|port|host/i, '--store', 'redis://a:b');

is($kv->stop(), 0, 'stopped cleanly');
unlike($kv->log(), qr/runtime error|ERROR/, 'nothing to complain of');

$t->finish();
done_testing();
