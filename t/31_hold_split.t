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

$t->start_nginx(upstream => 'shard_hold max=60 timeout=9s;',
                http => <<"CONF", server => <<'CONF');
shard_table units 4m state=$t->{dir}/nginx/units.shards;

upstream units {
    shard units key=\$http_x_key;
    shard_hold max=60 timeout=9s;
}
CONF
location /units/ {
    proxy_pass         http://units/;
    proxy_http_version 1.1;
    proxy_set_header   Connection "";
    add_header         X-Shard-Id $shard_id always;
}
CONF

wait_for { $t->get('/', 'X-Key' => '5')->{status} == 200 } 5, 'a table';

my $r = $t->redis();
my $middle = '8000000000000000';
my ($low, $high);
my %whole = %{ $t->shard_record(0) };


my $version;

sub commit { $version = $t->followed($t->committed('keyspace', @_)) }

sub record {
    my ($lo, $hi, %more) = @_;

    return encode_json({ %whole, lo => $lo, hi => $hi, %more });
}

my %held = (phase => 'held', target => 'n2', migration => '00000000000000ab');

# seen drained since the last commit, or a while not

sub drained {
    my ($id) = @_;

    return defined eval {
        wait_for {
            my $b = $t->barrier($id);
            $b->{drained} && $b->{version} >= $version;
        } 5, 'a drain';
    };
}

sub stays_busy {
    my ($id) = @_;

    wait_for { ($t->barrier($id)->{version} || 0) >= $version } 5, 'a barrier';
    return !defined eval {
        wait_for { $t->barrier($id)->{drained} } 1.5, 'a drain';
    };
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

# of a leader that is new all that is on its way counts: what says otherwise
# is tried again when a busy machine has made it lose the lead meanwhile

sub by_one_leader (&) {
    my ($code) = @_;

    for (1 .. 5) {
        my $leads = () = leads();

        return 1 if $code->();
        return 0 if $leads == (() = leads());
    }

    return 0;
}

sub leads { return $t->error_log() =~ /(\d+)#\d+: keyspace "orders": this worker keeps the table/g }

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
ok(stays_busy(1), 'a child is not drained while its parent has requests of before');

close($old);
ok(drained(1), 'once they are gone it is');
commit(shard => 1, record($middle, undef, epoch => 2));


# later requests of the parent are none of the child's

ok(by_one_leader {
    $old = slow($low);
    inflight(0, 1);
    commit(shard => 1, record($middle, undef, epoch => 2, %held));

    my $drained = drained(1);

    commit(shard => 1, record($middle, undef, epoch => 2));
    close($old);
    inflight(0, 0);
    return $drained;
}, 'what entered since does not count');


# a merge: what the vanished one had

$old = slow($high);
inflight(1, 1);
commit(shard => 0, record('0000000000000000', undef), shard => 1, '');
is($t->get('/', 'X-Key' => $high)->{headers}{'x-shard-id'}, 0, 'merged');

commit(shard => 0, record('0000000000000000', undef, %held));
ok(stays_busy(0), 'nor is a merged shard, while one of the vanished is on its way');
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
ok(stays_busy(2), 'after a whole load with other bounds all that was on its way counts');
close($old);
ok(drained(2), 'and is waited for');
commit(shard => 2, record($middle, undef, epoch => 5));


# keys that go on: two splits while one request is on its way

my @bounds = map { sprintf '800000000000000%d', $_ } 1, 2;

$old = slow($high);
inflight(2, 1);
commit(shard => 2, record($middle, $bounds[0], epoch => 5),
       shard => 3, record($bounds[0], undef));
commit(shard => 3, record(@bounds), shard => 4, record($bounds[1], undef));
is($t->get('/', 'X-Key' => $high)->{headers}{'x-shard-id'}, 4, 'split twice');

commit(shard => 4, record($bounds[1], undef, %held));
ok(stays_busy(4), 'the second child waits for the first parent');
close($old);
ok(drained(4), 'and for nothing else');
commit(shard => 2, record($middle, undef, epoch => 6), shard => 3, '', shard => 4, '');


# many of them, beside a request that has nothing to do with any

ok(by_one_leader {
    $old = slow($low);
    inflight(0, 1);

    for (1 .. 20) {
        commit(shard => 2, record($middle, $bounds[0], epoch => 6),
               shard => 3, record($bounds[0], undef));
        commit(shard => 2, record($middle, undef, epoch => 6), shard => 3, '');
    }

    commit(shard => 2, record($middle, undef, epoch => 6, %held));

    my $drained = drained(2);

    inflight(0, 1);
    close($old);
    commit(shard => 2, record($middle, undef, epoch => 6));
    inflight(0, 0);
    return $drained;
}, 'forty moves of bounds do not wait for a request of another shard');


# a held shard that is drained and gets more keys is not drained any more

commit(shard => 2, record($middle, undef, epoch => 6, %held));
ok(drained(2), 'drained');
$old = slow($low);
inflight(0, 1);
commit(shard => 0, '', shard => 2, record('0000000000000000', undef, epoch => 6, %held));
ok(stays_busy(2), 'held and drained, it takes the keys of a request on its way');
close($old);
ok(drained(2), 'which is waited for');
commit(shard => 0, record('0000000000000000', $middle, epoch => 4),
       shard => 2, record($middle, undef, epoch => 7));


# a list: the default shard has what no other names, and has it again when
# the other one gives it up or leaves

{
    local $t->{keyspace} = 'units';

    my $unit = sub { encode_json({ primary => 'n1', units => $_[0], @_[1 .. $#_] }) };
    my $default = sub { encode_json({ primary => 'n1', default => JSON::PP::true, @_ }) };
    my %node = (%{ $t->{nodes}{n1} }, state => 'up');

    delete $node{name};
    commit(meta => 'kind', 'list', node => 'n1', encode_json(\%node),
           node => 'n2', encode_json(\%node),
           shard => 0, $default->(epoch => 1), shard => 1, $unit->([ 'a' ], epoch => 1));

    $old = slow('b', '/units/slow');
    inflight(0, 1);
    commit(shard => 1, $unit->([ 'a', 'b' ], epoch => 1));
    is($t->get('/units/', 'X-Key' => 'b')->{headers}{'x-shard-id'}, 1, 'a unit named');
    commit(shard => 1, $unit->([ 'a', 'b' ], epoch => 1, %held));
    ok(stays_busy(1), 'who names a unit waits for the default shard');
    close($old);
    ok(drained(1), 'until its requests are gone');
    commit(shard => 1, $unit->([ 'a', 'b' ], epoch => 2));

    $old = slow('b', '/units/slow');
    inflight(1, 1);
    commit(shard => 1, $unit->([ 'a' ], epoch => 2));
    commit(shard => 0, $default->(epoch => 1, %held));
    ok(stays_busy(0), 'the default shard waits for who gave a unit up');
    close($old);
    ok(drained(0), 'until its requests are gone');
    commit(shard => 0, $default->(epoch => 2));

    $old = slow('a', '/units/slow');
    inflight(1, 1);
    $r->command('HINCRBY', $t->key('meta'), 'version', 5);
    commit(shard => 1, '');
    wait_for { $t->get('/units/', 'X-Key' => 'a')->{headers}{'x-shard-id'} == 0 } 5, 'loaded';
    commit(shard => 0, $default->(epoch => 2, %held));
    ok(stays_busy(0), 'and, after a whole load, for one that left');
    close($old);
    ok(drained(0), 'until its requests are gone');
    commit(shard => 0, $default->(epoch => 3));
}


# a new leader, that has not seen the split, and a request of the worker that
# does not lead

my $leader = (leads())[-1];
my (%at, $kept);

wait_for {
    my ($s, $pid) = connection($high);

    $at{$pid} ||= $s;
    ($kept) = map { $at{$_} } grep { $_ != $leader } keys %at;
    $kept && $at{$leader};
} 20, 'a connection of either worker';

print $_ request($high, '/slow') for values %at;
inflight(2, 2);
commit(shard => 2, record($middle, 'c000000000000000', epoch => 7),
       shard => 3, record('c000000000000000', undef));

$t->allow(qr/exited on signal 9/);
kill('KILL', $leader);
wait_for { $t->error_log() =~ /worker $leader died/ } 10, 'buried';
is($t->api('/shards/2')->{inflight}, 1, 'the other worker\'s request goes on');

commit(shard => 3, record('c000000000000000', undef, %held));
ok(stays_busy(3), 'a new leader waits for what entered before it');
close($kept);
ok(drained(3), 'and for nothing else');

$t->finish();
done_testing();
