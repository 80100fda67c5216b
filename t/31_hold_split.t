#!/usr/bin/perl

# The module: shards whose bounds have moved, held while requests that entered
# before are still on their way in the slot of the shard that had their key.

use warnings;
use strict;

use Test::More;
use JSON::PP;

use ShardTest;

my $t = ShardTest->new(shards => 2);
my $port = free_port();

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port", capacity => 100,
                    zone => 'z1' } for qw/ n1 n2 /;

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1);

# a process of its own: a worker that is killed takes no node's connections
# along; what is slow ends when the test closes it

$t->start_nginx_node($port, <<"CONF");
server {
    listen 127.0.0.1:$port;

    location / {
        return 200 "ok";
    }

    location /slow {
        limit_rate 50;
        return 200 "@{[ 'x' x 3500 ]}";
    }
}
CONF

$t->start_nginx(upstream => 'shard_hold max=60 timeout=9s;');
wait_for { $t->get('/', 'X-Key' => '5')->{status} == 200 } 5, 'a table';

my $r = $t->redis();
my $middle = '8000000000000000';
my ($low, $high);
my %whole = %{ $t->shard_record(0) };


sub commit { $t->followed($t->committed('keyspace', @_)) }

sub record {
    my ($lo, $hi, %more) = @_;

    return encode_json({ %whole, lo => $lo, hi => $hi, %more });
}

my %held = (phase => 'held', target => 'n2', migration => '00000000000000ab');

# seen drained, or a while not

sub drained {
    my ($id) = @_;

    return eval { wait_for { $t->barrier($id)->{drained} } 1.5, 'a drain'; 1 };
}

sub slow { return $t->connect_to(request($_[0], $_[1] || '/slow')) }
sub request { return "GET $_[1] HTTP/1.1\r\nHost: x\r\nX-Key: $_[0]\r\n\r\n" }

# a connection, and the worker that has it

sub connection {
    my ($key) = @_;

    my $s = $t->connect_to(request($key, '/'));
    my $text = '';

    $s->blocking(0);
    wait_for {
        sysread($s, $text, 4096, length $text);
        $text =~ /\r\n\r\nok$/;
    } 5, 'an answer';

    return ($s, $text =~ /^X-Pid: (\d+)/m);
}

sub inflight {
    my ($id, $n) = @_;

    wait_for { $t->api("/shards/$id")->{inflight} == $n } 5, "$n in flight of $id";
}


# a key of either half, then one shard

for my $key (1 .. 100) {
    my $id = $t->get('/', 'X-Key' => $key)->{headers}{'x-shard-id'};

    $low = $key if $id == 0;
    $high = $key if $id == 1;
}

commit(shard => 0, record('0000000000000000', undef), shard => 1, '');


# a split: the child's keys are those of requests in the parent's slot

my $old = slow($high);
inflight(0, 1);

commit(shard => 0, record('0000000000000000', $middle),
       shard => 1, record($middle, undef));
is($t->get('/', 'X-Key' => $high)->{headers}{'x-shard-id'}, 1, 'split');
inflight(1, 0);

commit(shard => 1, record($middle, undef, %held));
wait_for { $t->barrier(1)->{version} } 2, 'a barrier';
ok(!drained(1), 'a child is not drained while its parent has requests of before');

close($old);
ok(drained(1), 'once they are gone it is');
commit(shard => 1, record($middle, undef, epoch => 2));


# later requests of the parent are none of the child's

$old = slow($low);
inflight(0, 1);
commit(shard => 1, record($middle, undef, epoch => 2, %held));
ok(drained(1), 'what entered since does not count');
commit(shard => 1, record($middle, undef, epoch => 3));
close($old);
inflight(0, 0);


# a merge: what the vanished one had

$old = slow($high);
inflight(1, 1);
commit(shard => 0, record('0000000000000000', undef), shard => 1, '');
is($t->get('/', 'X-Key' => $high)->{headers}{'x-shard-id'}, 0, 'merged');

commit(shard => 0, record('0000000000000000', undef, %held));
wait_for { $t->barrier(0)->{version} } 2, 'a barrier';
ok(!drained(0), 'nor is a merged shard, while one of the vanished is on its way');
close($old);
ok(drained(0), 'then it is');
commit(shard => 0, record('0000000000000000', undef, epoch => 4));


# whole loads: the same table tells nothing new, another one does

$old = slow($low);
inflight(0, 1);
$r->command('HINCRBY', $t->key('meta'), 'version', 5);
commit(shard => 2, record($middle, undef), shard => 0, record('0000000000000000', $middle, epoch => 4));
wait_for { $t->get('/', 'X-Key' => $high)->{headers}{'x-shard-id'} == 2 } 5, 'loaded anew';

commit(shard => 2, record($middle, undef, %held));
wait_for { $t->barrier(2)->{version} } 2, 'a barrier';
ok(!drained(2), 'after a whole load with other bounds all that was on its way counts');
close($old);
ok(drained(2), 'and is waited for');
commit(shard => 2, record($middle, undef, epoch => 5));


# a new leader, that has not seen the split, and a request of the worker that
# does not lead

my ($leader) = $t->error_log() =~ /.*?(\d+)#\d+: keyspace "orders": this worker keeps the table/;
my (%at, $kept);

wait_for {
    my ($s, $pid) = connection($high);

    $at{$pid} ||= $s;
    ($kept) = map { $at{$_} } grep { $_ != $leader } keys %at;
    $kept && $at{$leader};
} 20, 'a connection of either worker';

print $_ request($high, '/slow') for values %at;
inflight(2, 2);
commit(shard => 2, record($middle, 'c000000000000000', epoch => 5),
       shard => 3, record('c000000000000000', undef));

$t->allow(qr/exited on signal 9/);
kill('KILL', $leader);
wait_for { $t->error_log() =~ /worker $leader died/ } 10, 'buried';
is($t->api('/shards/2')->{inflight}, 1, 'the other worker\'s request goes on');

commit(shard => 3, record('c000000000000000', undef, %held));
wait_for { $t->barrier(3)->{version} } 5, 'a barrier';
ok(!drained(3), 'a new leader waits for what entered before it');
close($kept);
ok(drained(3), 'and for nothing else');

$t->finish();
done_testing();
