#!/usr/bin/perl

# shardkv: the digest of a range that is kept from its announcement on is what
# reading all items gives, whatever is written meanwhile, and it ends with the
# cut that it was for.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;

use ShardKv qw/ is_refused /;

my $seed = $ENV{SHARD_SEED} // time() % 100_000;
srand($seed);
note("SHARD_SEED=$seed");

my $kv = ShardKv->start('--log-keep' => 100_000);
my $epoch = 5;

sub shard { my ($shard, $call) = @_; return "/_shard/$shard/$call" }

my $kept;

sub digest {
    my ($shard, $range, $more) = @_;
    my $r = $kv->call('GET', shard($shard, "digest?$range&" . ($more // 'parts=64')));

    $kept = $r->{json}{kept} ? 'kept' : 'read';
    return "$r->{json}{position} $r->{json}{items} " . join ' ', map { "$_->{items} $_->{hash}" } @{$r->{json}{parts}};
}

sub keep { return $kv->call('PUT', shard($_[0], "digest?$_[1]")) }
sub owned { my ($method, $path, $body, %more) = @_;
            return $kv->call($method, $path, { 'X-Shard-Epoch' => $epoch, %more }, $body) }

# as it is answered, "kept" or "read", and as it is read

sub alike {
    my ($how, $shard, $range, $what) = @_;
    my $digest = digest($shard, $range);

    is($kept, $how, "$what: $how");
    is($digest, digest($shard, $range, 'parts=64&scan=yes'), $what);
}


# any write, of keys in the range and beside it

sub writes {
    my ($n, $e) = @_;

    for (1 .. $n) {
        my $key = int rand 200;
        my $what = rand;

        if ($what < 0.5) { $kv->routed(7, $e, 'PUT', "/kv/$key", 'v' . int rand 1000) }
        elsif ($what < 0.7) { $kv->routed(7, $e, 'DELETE', "/kv/$key") }
        elsif ($what < 0.9) { $kv->routed(7, $e, 'POST', "/queue/$key", 'e') }
        else { $kv->routed(7, $e, 'POST', "/ack/$key?n=" . (1 + int rand 3)) }
    }
}


my $upper = 'order=uint64&lo=' . sprintf('%016x', 100);
my $half = 'order=hash&hi=8000000000000000';

$kv->role(7, 'primary', $epoch);
writes(300, $epoch);

is_refused($kv->call('PUT', shard(7, 'digest')), 400, 'bad_request', 'of no range');
is_refused(keep(7, 'order=hush'), 400, 'bad_request', 'of an unknown order');
is_refused(keep(8, $upper), 409, 'standby', 'not of a shard that is not here');

is(keep(7, $upper)->{status}, 204, 'announced');
alike('kept', 7, $upper, 'what was there at first');
writes(300, $epoch);
alike('kept', 7, $upper, 'and all writes since');
is(digest(7, $upper, "parts=$_"), digest(7, $upper, "parts=$_&scan=yes"), "of $_ parts") for 1, 16, 100;
is(digest(7, $half), digest(7, $half, 'parts=64&scan=yes'), 'another range is read');
is(keep(7, $upper)->{status}, 204, 'again, it is known already');

$kv->kill9();
$kv->again();
alike('kept', 7, $upper, 'it is kept durably');
writes(100, $epoch);
alike('kept', 7, $upper, 'and goes on');

# what a drop takes, and what an import brings

my $from = $kv->call('GET', shard(7, "snapshot?$upper"));
my $full = (split ' ', digest(7, $upper))[1];
my $next = '';

cmp_ok($full, '>', 20, 'there is something to drop');

do {
    my $r = owned('POST', shard(7, "drop?$upper&limit=50" . ($next ne '' ? "&after=$next" : '')));
    $next = $r->{json}{next} // '';
} while $next ne '';

is((split ' ', digest(7, $upper))[1], 0, 'nothing is left of it');
alike('kept', 7, $upper, 'dropped');
is(owned('PUT', shard(7, 'import?of=9'), $from->{content}, 'X-Shard-Position' => $from->{position})->{status}, 204, 'imported');
is((split ' ', digest(7, $upper))[1], $full, 'all is there again');
alike('kept', 7, $upper, 'imported');


# announcements while others write: the scan is of one state, the sums of all

my @pids = map {
    my $pid = fork() // die "fork: $!";

    if (!$pid) { srand($seed + $_); writes(200, $epoch); POSIX::_exit(0) }
    $pid;
} 1 .. 3;

is(keep(7, $_ % 2 ? $half : $upper)->{status}, 204, "announced while it is written: $_") for 1 .. 9;
waitpid($_, 0) for @pids;
alike('kept', 7, $half, 'nothing was missed or counted twice');
is(digest(7, $upper), digest(7, $upper, 'parts=64&scan=yes'), 'the one before is read');


# the end of a cut: sealed it is still kept, opened it is not needed any more

$kv->role(7, 'standby', $epoch + 1);
alike('kept', 7, $half, 'sealed');
is_refused(keep(7, $upper), 409, 'standby', 'a standby begins with none');
is(keep(7, $half)->{status}, 409, 'nor asks for it again');
$kv->role(7, 'primary', $epoch + 1);
writes(50, $epoch + 1);
alike('read', 7, $half, 'opened');

is(keep(7, $half)->{status}, 204, 'for the next one');
is($kv->call('DELETE', shard(7, 'digest'))->{status}, 204, 'ended') for 1, 2;
writes(50, $epoch + 1);
alike('read', 7, $half, 'read again');

# data that are no writes

keep(7, $half);
$kv->role(7, 'standby', $epoch + 2);
my $whole = $kv->call('GET', shard(7, 'snapshot'));
my @lines = split /(?<=\n)/, $whole->{content};
is($kv->call('PUT', shard(7, 'snapshot'), { 'X-Shard-Position' => $whole->{position} + 1 }, join '', @lines[0 .. $#lines / 2])->{status},
   204, 'a snapshot');
alike('read', 7, $half, 'is not what was kept');

is($kv->stop(), 0, 'stopped cleanly');

done_testing();
