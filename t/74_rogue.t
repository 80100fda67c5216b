#!/usr/bin/perl

# A router that does not hear of a cutover writes nothing: one whose worker is
# stopped meanwhile and goes on without Redis, with requests that it had taken
# before; and one in a network namespace whose way to Redis is cut.

use warnings;
use strict;

use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Test::More;

use ShardTest;

my $http = HTTP::Tiny->new(timeout => 15);
my $undo;                   # of the namespace, while there is one

stopped();
namespace();
done_testing();


# also when the test dies, or is told to end

END {
    my $status = $?;
    $undo->() if $undo;
    $? = $status;
}


sub world {
    my (%args) = @_;

    my $t = ShardTest->new(shards => 1, name => $args{name});
    my $host = $args{host} || '127.0.0.1';

    $t->start_redis($args{host} ? ('--bind', '0.0.0.0', '--protected-mode',
                                   'no') : ());

    for my $name (qw/ n1 n2 /) {
        my $addr = "$host:" . free_port();

        $t->{nodes}{$name} = { name => $name, addr => $addr, zone => 'z1',
                               capacity => 1000 };
        $t->add(name => $name, ready => sub { ShardTest::listens($addr) },
                argv => [ $t->program('shardkv'), '--listen', $addr, '--dir',
                          $t->dir() . "/$name.data", '--name', $name ]);
    }

    $t->seed(nodes => [ 'n1' ]);
    $t->start_router('edge-1', workers => 1);
    $t->start_router('edge-2', workers => 1, before => $args{before},
                     redis => $args{store} && "$args{store}:$t->{redis_port}");

    wait_for { keys %{ $t->redis()->hash($t->key('routers')) } == 2 } 20,
        'both routers have reported';

    $t->start_daemon('shard-migrator', 'm1', $t->migrator_conf('m1', <<'CONF'));
standby:
    workers: 0
standby_time: 1d
hold:
    timeout: 3s
    router_live: 1s
CONF

    return $t;
}


sub put {
    my ($t, $edge, $key, $value) = @_;

    return $http->put($t->router_url($edge, "/kv/$key"),
                      { content => $value, headers => { 'X-Key' => $key } });
}


sub fetch {
    my ($t, $edge, $key) = @_;

    return $http->get($t->router_url($edge, "/kv/$key"),
                      { headers => { 'X-Key' => $key } })->{content};
}


sub stats {
    my ($t, $node) = @_;

    return decode_json($http->get("http://$t->{nodes}{$node}{addr}"
                                  . '/_shard/0/stats')->{content});
}


# the shard moves while edge-2 is silent

sub moved {
    my ($t, $name) = @_;

    wait_for {
        my $said = decode_json($t->redis()->hash($t->key('routers'))->{'edge-2'});
        my ($s, $us) = @{ $t->redis()->command('TIME') };
        $s * 1000 + $us / 1000 - $said->{time_ms} > 1200
    } 20, 'edge-2 is silent';

    my $id = $t->migrate(0, 'n2');

    is_deeply([ $t->wait_migrations(30, $id) ], [],
              "$name: the shard moves without it")
        or diag($t->migration($id)->{error});
    is($t->shard_record(0)->{primary}, 'n2', "$name: to n2");
}


# taken before the cutover, sent after it, by the table of before

sub stopped {
    my $name = 'stopped';
    my $t = world(name => '74_stopped');

    is(put($t, 'edge-1', "k$_", 'old')->{status}, 204, "$name: k$_ written")
        for 1 .. 2;
    is(put($t, 'edge-2', 'k3', 'old')->{status}, 204, "$name: k3, by edge-2");

    my ($worker) = $t->process('edge-2')->children();

    kill('STOP', $worker);

    my @clients = map { late_put($t, "k$_") } 1 .. 3;

    moved($t, $name);
    is(put($t, 'edge-1', 'k1', 'new')->{status}, 204, "$name: k1 written again");

    my ($n1, $n2) = map { stats($t, $_)->{position} } qw/ n1 n2 /;

    # Redis is there and says nothing: what it knows is not to be had

    $t->process('redis')->signal('STOP');
    kill('CONT', $worker);

    my @status = map { late_answer($_) } @clients;

    ok(!(grep { /^2/ } @status), "$name: none is acknowledged: @status");
    is(stats($t, 'n1')->{position}, $n1, "$name: nothing is written at n1");
    is(stats($t, 'n2')->{position}, $n2, "$name: nothing is written at n2");

    $t->process('redis')->signal('CONT');

    wait_for { put($t, 'edge-2', 'k2', 'newer')->{status} == 204 } 30,
        'edge-2 serves again';
    is(fetch($t, 'edge-1', 'k1'), 'new', "$name: k1 is what was acknowledged");
    is(fetch($t, 'edge-1', 'k2'), 'newer', "$name: k2 is of edge-2, at n2");
    is(stats($t, 'n1')->{role}, 'standby', "$name: n1 is no primary");
    $t->finish("$name: logs are clean");
}


sub late_put {
    my ($t, $key) = @_;

    my $client = IO::Socket::INET->new(
        PeerAddr => "127.0.0.1:$t->{routers}{'edge-2'}{port}") or die "$!\n";

    print $client "PUT /kv/$key HTTP/1.1\r\nHost: a\r\nX-Key: $key\r\n"
                  . "Content-Length: 5\r\nConnection: close\r\n\r\nrogue";
    $client->flush();

    return $client;
}


sub late_answer {
    my ($client) = @_;

    my $line = '';

    while ($line !~ /\n/ && IO::Select->new($client)->can_read(30)) {
        sysread($client, $line, 4096, length $line) or last;
    }

    return $line =~ m!^HTTP/1.1 (\d+)! ? $1 : 'none';
}


sub ip { return system('ip', @_) == 0 }

sub mounted { return slurp('/proc/self/mounts') =~ m! /run/netns ! }


# what the first namespace of a machine mounts goes with it again

sub remove {
    my ($ns, $before) = @_;

    $undo = undef;
    ip('netns', 'del', $ns);
    system('umount /run/netns') if !$before && mounted();
}


# two ways into the namespace: one to the nodes, one to Redis, which is cut

sub namespace {
    my $name = 'cut off';
    my $ns = "shard$$";
    my $net = '10.' . (100 + $$ % 100) . '.' . int($$ / 100) % 200;
    my ($data, $store) = ("$net.1", "$net.5");

  SKIP: {
        skip('network namespaces need root', 1) if $> != 0;

        my $before = mounted();

        skip('ip netns does not work here', 1)
            if system("ip netns add $ns 2>/dev/null") != 0;

        my $made = 1;

        $undo = sub { remove($ns, $before) };

        for my $command (
            "link add d$$ type veth peer name e$$ netns $ns",
            "link add s$$ type veth peer name t$$ netns $ns",
            "addr add $data/30 dev d$$", "addr add $store/30 dev s$$",
            "link set d$$ up", "link set s$$ up",
            "-n $ns addr add $net.2/30 dev e$$",
            "-n $ns addr add $net.6/30 dev t$$",
            "-n $ns link set lo up", "-n $ns link set e$$ up",
            "-n $ns link set t$$ up")
        {
            $made &&= ip(split / /, $command);
        }

        if (!$made) {
            $undo->();
            skip('no veth here', 1);
        }

        eval { cut_off($name, $ns, $data, $store) };
        is($@, '', "$name: comes to its end");
        $undo->();
    }
}


sub cut_off {
    my ($name, $ns, $data, $store) = @_;

    my $t = world(name => '74_namespace', host => $data,
                  before => [ 'ip', 'netns', 'exec', $ns ],
                  store => $store);
    my $put = sub {
        my ($key, $value) = @_;
        my @curl = ('ip', 'netns', 'exec', $ns, 'curl', '-s', '-m', 15, '-o',
                    '/dev/null', '-w', '%{http_code}', '-X', 'PUT', '-H',
                    "X-Key: $key", '-d', $value,
                    $t->router_url('edge-2', "/kv/$key"));
        my (undef, $status) = $t->run(@curl);
        return $status;
    };

    is($put->('k1', 'old'), 204, "$name: k1 written by edge-2");

    ip('link', 'set', "s$$", 'down');
    moved($t, $name);
    is(put($t, 'edge-1', 'k1', 'new')->{status}, 204, "$name: k1 written again");

    my ($n1, $n2) = map { stats($t, $_)->{position} } qw/ n1 n2 /;
    my @status = map { $put->($_, 'rogue') } qw/ k1 k2 /;

    ok(!(grep { /^2/ } @status), "$name: none is acknowledged: @status");
    is(stats($t, 'n1')->{position}, $n1, "$name: nothing is written at n1");
    is(stats($t, 'n2')->{position}, $n2, "$name: nothing is written at n2");
    is(fetch($t, 'edge-1', 'k1'), 'new', "$name: k1 is what was acknowledged");

    ip('link', 'set', "s$$", 'up');
    wait_for { $put->('k2', 'newer') eq '204' } 40, 'edge-2 serves again';
    is(fetch($t, 'edge-1', 'k2'), 'newer', "$name: k2 is of edge-2, at n2");
    $t->finish("$name: logs are clean");
}
