// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// A minimal ERC-8004 identity registry for local chains: it emits the final revision's events, in the order in which the
/// reference contracts emit them. It is no ERC-721 token beyond what indexing needs, and checks no signatures.
contract IdentityRegistry {
    struct MetadataEntry {
        string metadataKey;
        bytes metadataValue;
    }

    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);
    event MetadataSet(
        uint256 indexed agentId,
        string indexed indexedMetadataKey,
        string metadataKey,
        bytes metadataValue
    );

    string private constant WALLET = "agentWallet";

    uint256 private nextAgentId; // the first agent is 0
    mapping(uint256 => address) private owners;
    mapping(uint256 => string) private uris;
    mapping(uint256 => mapping(string => bytes)) private metadata;

    modifier onlyOwner(uint256 agentId) {
        require(msg.sender == ownerOf(agentId), "not the owner");
        _;
    }

    function register() external returns (uint256) {
        return _register("", new MetadataEntry[](0));
    }

    function register(string calldata agentURI) external returns (uint256) {
        return _register(agentURI, new MetadataEntry[](0));
    }

    function register(string calldata agentURI, MetadataEntry[] calldata entries) external returns (uint256) {
        return _register(agentURI, entries);
    }

    function setAgentURI(uint256 agentId, string calldata newURI) external onlyOwner(agentId) {
        uris[agentId] = newURI;
        emit URIUpdated(agentId, newURI, msg.sender);
    }

    function setMetadata(uint256 agentId, string memory metadataKey, bytes memory metadataValue)
        external
        onlyOwner(agentId)
    {
        require(keccak256(bytes(metadataKey)) != keccak256(bytes(WALLET)), "use setAgentWallet");
        _setMetadata(agentId, metadataKey, metadataValue);
    }

    /// The reference contract asks for a signature of the new wallet; a local chain needs none.
    function setAgentWallet(uint256 agentId, address newWallet) external onlyOwner(agentId) {
        _setMetadata(agentId, WALLET, abi.encodePacked(newWallet));
    }

    function transferFrom(address from, address to, uint256 tokenId) external onlyOwner(tokenId) {
        require(from == msg.sender && to != address(0), "bad transfer");
        // The wallet belonged to the old owner.
        _setMetadata(tokenId, WALLET, "");
        owners[tokenId] = to;
        emit Transfer(from, to, tokenId);
    }

    function ownerOf(uint256 tokenId) public view returns (address owner) {
        owner = owners[tokenId];
        require(owner != address(0), "no such agent");
    }

    function tokenURI(uint256 tokenId) external view returns (string memory) {
        return uris[tokenId];
    }

    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory) {
        return metadata[agentId][metadataKey];
    }

    function _register(string memory agentURI, MetadataEntry[] memory entries) private returns (uint256 agentId) {
        agentId = nextAgentId++;
        owners[agentId] = msg.sender;
        uris[agentId] = agentURI;
        emit Transfer(address(0), msg.sender, agentId);
        emit Registered(agentId, agentURI, msg.sender);
        _setMetadata(agentId, WALLET, abi.encodePacked(msg.sender));
        for (uint256 i = 0; i < entries.length; i++) {
            _setMetadata(agentId, entries[i].metadataKey, entries[i].metadataValue);
        }
    }

    function _setMetadata(uint256 agentId, string memory metadataKey, bytes memory metadataValue) private {
        metadata[agentId][metadataKey] = metadataValue;
        emit MetadataSet(agentId, metadataKey, metadataKey, metadataValue);
    }
}
