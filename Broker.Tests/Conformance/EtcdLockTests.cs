using Broker.Tests.Support;

namespace Broker.Tests.Conformance;

internal sealed class EtcdLockTests() : LockSuite(EtcdLockPlace.CreateAsync);
